from moakit.integrations.openwebui_admin import function_form
import json
def test_x(site, chat, page):
    page.goto(site.url + "/admin/functions")
    page.wait_for_timeout(1500)
    page.locator("#documents-import-input").set_input_files(files=[{"name": "f.json", "mimeType": "application/json", "buffer": json.dumps([function_form()]).encode()}])
    page.wait_for_timeout(1500); chat.shot("u1")
    print([ (b.get_attribute("id"), b.get_attribute("aria-label"), b.inner_text()[:30]) for b in page.locator("button").all()][-10:])
    print(page.get_by_role("dialog").all_inner_texts())
    page.get_by_role("button", name="Confirm").last.click()
    page.wait_for_timeout(2500); chat.shot("u2")
    print([ (b.get_attribute("id"), b.get_attribute("aria-label"), b.get_attribute("role"), b.inner_text()[:30]) for b in page.locator("button").all()][-10:])
