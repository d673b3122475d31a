"""A Chromium without a window, which is told what to do by its DevTools protocol."""

import asyncio
import json
import re
import subprocess
import time
import urllib.request

from tornado.websocket import websocket_connect

_SAYS = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


async def _connected(address):
    return await websocket_connect(address, max_message_size=2**28)


class Browser:
    """One page at a time.

    Attributes
    ----------
    errors : list of dict
        Exceptions, errors and warnings of the page.
    requests : list of str
        Addresses that it asked for.
    """

    def __init__(self, program, folder):
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self.forget()
        self._process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "about:blank",
             "--remote-debugging-port=0", f"--user-data-dir={folder}"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        for line in self._process.stderr:
            if found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line):
                break
        with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/json", timeout=60) as answer:
            (page,) = (tab for tab in json.load(answer) if tab["type"] == "page")
        self._line = self._run(_connected(page["webSocketDebuggerUrl"]))
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.tell(f"{domain}.enable")

    def _run(self, coroutine):
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, 120))

    def forget(self):
        """Forget what pages said and asked for."""
        self.errors, self.requests = [], []

    def tell(self, method, **parameters):
        """Have it do something, and give its answer."""
        return self._run(self._tell(method, parameters))

    async def _tell(self, method, parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        await self._line.write_message(json.dumps(message))
        while True:
            found = json.loads(await self._line.read_message())
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            self._note(found["method"], found["params"])

    def _note(self, method, said):
        kind = said.get("type") or said.get("entry", {}).get("level")
        if method in _SAYS and kind not in ("log", "info", "debug", "verbose"):
            self.errors.append(said)
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])

    def open(self, path, width, height):
        """Open a file in a window of some size, and wait until bokeh has drawn everything."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        self.tell("Page.navigate", url=path.absolute().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def see(self, expression):
        """Give what an expression of the page comes to."""
        found = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression):
        """Wait until an expression of the page is true, and give it."""
        end = time.monotonic() + 60
        while not (found := self.see(expression)):
            assert time.monotonic() < end, expression
            time.sleep(0.1)
        return found

    def move_to(self, x, y):
        """Move the mouse."""
        self.tell("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def close(self):
        """End it."""
        self._line.close()
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()
        self._loop.close()
