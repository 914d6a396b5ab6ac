"""A picture in the chat."""

import base64

from tests.e2e.page import ChatPage
from tests.e2e.setting import PROPOSALS
from tests.upstream import Upstream

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_a_picture_reaches_every_model(chat: ChatPage, up: Upstream) -> None:
    chat.open("panel")
    file = {"name": "sky.png", "mimeType": "image/png", "buffer": PNG}
    chat.page.locator('input[type="file"]').first.set_input_files(files=[file])
    chat.page.wait_for_selector('#message-input-container img, img[alt*="sky.png"]')
    chat.ask("What is in this picture?")
    chat.finished()
    for model in (*PROPOSALS, "llama-3.3-70b"):
        (call,) = up.of(model)
        assert "data:image/png;base64," in call.raw.decode()
