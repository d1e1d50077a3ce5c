"""`edit --method`: a method with a text-to-image model edits a picture."""

import pytest

from modeling.data.images import encode_png, read_image
from modeling.editing.files import edit_files
from modeling.editors.settings import MasaCtrlConfig
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline

CONFIG = MasaCtrlConfig(num_steps=2, start_step=0, start_layer=1)


@pytest.fixture
def asked(tmp_path):
    tiny_pipeline(in_channels=4).save_pretrained(tmp_path / "start")
    (tmp_path / "in.png").write_bytes(encode_png(drawn_pictures(1)[0]))
    files = {"editor": tmp_path / "start", "image": tmp_path / "in.png", "out": tmp_path / "out.png"}
    return files | {"instruction": "take cup", "device": "cpu"}


def test_a_method_edits_a_file_and_a_second_call_finds_it_done(asked):
    made = [edit_files(**asked, method="masactrl", sampling=CONFIG)[0].status for _ in range(2)]
    assert made == ["edited", "skipped"]
    assert read_image(asked["out"]).shape == (SIZE_PX, SIZE_PX, 3)


def test_without_a_method_a_text_to_image_model_is_refused_and_the_message_names_the_option(asked):
    with pytest.raises(ValueError, match="--method"):
        edit_files(**asked)


def test_a_method_that_cannot_run_on_the_network_says_so_and_writes_nothing(asked):
    with pytest.raises(ValueError, match="start_layer is 10"):
        edit_files(**asked, method="masactrl", sampling=MasaCtrlConfig(num_steps=2))
    assert not asked["out"].exists()
