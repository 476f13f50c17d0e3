"""A headless Chromium that remembers every request and every dialog of the pages it opens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip

DIM = """
const parse = text => {
  const found = text.match(/[\\d.]+/g).map(Number);
  const unit = text.startsWith('color(') ? 255 : 1;
  return {rgb: found.slice(0, 3).map(part => part * unit), alpha: found[3] ?? 1};
};
const light = rgb => {
  const linear = rgb.map(part => part / 255).map(
    part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const ground = node => {
  for (let one = node; one; one = one.parentElement) {
    const found = parse(getComputedStyle(one).backgroundColor);
    if (found.alpha > 0.99) return found.rgb;
  }
  return [255, 255, 255];
};
const low = {};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text; text = walker.nextNode();) {
  const node = text.parentElement, style = getComputedStyle(node);
  if (!text.data.trim() || node.closest('svg, script, style') || !node.checkVisibility()) continue;
  const back = ground(node);
  let alpha = 1;
  for (let one = node; one; one = one.parentElement) alpha *= Number(getComputedStyle(one).opacity);
  const ink = parse(style.color).rgb.map((part, i) => alpha * part + (1 - alpha) * back[i]);
  const [dim, bright] = [light(ink), light(back)].sort((a, b) => a - b);
  const ratio = (bright + 0.05) / (dim + 0.05);
  if (ratio < 4.5) low[text.data.trim().slice(0, 40)] = [node.className, ratio.toFixed(2)];
}
return low;
"""
"""Texts with less contrast than 4.5:1 against what is behind them, as they are drawn."""


class Browser:
    """One Chromium; pages are opened from disk or from loopback."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def open(self, address: str | Path) -> None:
        """Open a file or an address and wait for it to load."""
        where = address.resolve().as_uri() if isinstance(address, Path) else address
        self.driver.get(where)

    def requests(self) -> list[str]:
        """Return what was requested since the last call, Chromium's own left out."""
        entries = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        sent = [e for e in entries if e["method"] == "Network.requestWillBeSent"]
        found = [e["params"]["request"]["url"] for e in sent]
        return [url for url in found if not url.startswith(("data:", "chrome:"))]

    def complaints(self) -> list[str]:
        """Return what the console holds since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def emulate(self, *, dark: bool = False, media: str = "screen", width: int = 1280) -> None:
        """Set colour scheme, medium and window width."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": [scheme]}
        )
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )

    def dim_texts(self) -> dict[str, list[str]]:
        """Return the texts of less contrast than readers need, with their class and contrast."""
        return self.driver.execute_script(DIM)

    def picture(self, path: Path) -> None:
        """Save the whole page as a PNG."""
        import base64

        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"}
        )
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a Chromium with its profile in a new folder, and end it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
