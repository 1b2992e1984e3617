"""Opens a report in headless Chromium, as its readers do, and says what there is to find, as JSON.

usage: report_page.py PAGE FOLDER   (needs the packages `playwright` and `axe-playwright-python`, and a Chromium)

FOLDER gets pictures: on a desk in light and in dark, on a phone, and as it is printed.
"""

import json
import os
import shutil
import sys
import time

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

page_file, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
os.makedirs(folder, exist_ok=True)
chromium = os.environ.get("EMU_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

LOOKS = {
    "desk": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}

# What moves after it was first shown.
SHIFTS = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => list.getEntries().forEach(shift => { sum += shift.value; }))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 300);
})"""

# Each picture that is shown: how many of its marks have a size, and how large its letters are.
PICTURES = """() => [...document.querySelectorAll("figure svg")]
  .filter(svg => svg.getBoundingClientRect().width > 0)
  .map(svg => ({
    section: svg.closest("section").id,
    marks: [...svg.querySelectorAll("path,rect,circle")].filter(mark => {
      const box = mark.getBBox();
      return box.width > 0 || box.height > 0;
    }).length,
    letters: 11 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
    outside: [...svg.querySelectorAll("text")].filter(text => {
      const box = text.getBBox(), view = svg.viewBox.baseVal;
      return box.x < -1 || box.x + box.width > view.width + 1;
    }).map(text => text.textContent),
  }))"""

found = {"bytes": os.path.getsize(page_file), "looks": {}}
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    found["browser"] = browser.version
    for look, options in LOOKS.items():
        context = browser.new_context(offline=True, **options)
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        began = time.monotonic()
        page.goto("file://" + page_file)
        took = time.monotonic() - began
        # Before anything is done to it: a picture of the whole page resizes it.
        shifts = page.evaluate(SHIFTS)
        page.screenshot(path=f"{folder}/{look}.png", full_page=True)
        here = {
            "interactive_s": took,
            "shifts": shifts,
            "pictures": page.evaluate(PICTURES),
            "too_wide": page.evaluate("document.scrollingElement.scrollWidth - innerWidth"),
            "violations": [
                f"{violation['id']}: {node['html']}"
                for violation in Axe().run(page).response["violations"]
                for node in violation["nodes"]
            ],
        }
        # The keyboard: to the first chart that is shown, along it, and away again.
        plot = page.locator("[data-cursor]:visible").first
        plot.focus()
        told = plot.locator("output")
        here["cursor"] = []
        for key in ["ArrowRight", "ArrowRight", "End"]:
            page.keyboard.press(key)
            here["cursor"].append(told.inner_text())
        page.keyboard.press("Tab")
        here["left"] = told.inner_text()
        # Every table opens.
        for summary in page.locator("summary").all():
            summary.click()
        here["tables"] = page.locator("table:visible").count()
        here["said"], here["asked"] = said, [url for url in asked if not url.startswith(("file:", "data:"))]
        found["looks"][look] = here
        if look == "desk":
            page.pdf(path=f"{folder}/print.pdf")
            page.emulate_media(media="print")
            page.screenshot(path=f"{folder}/print.png", full_page=True)
        context.close()
    browser.close()
print(json.dumps(found))
