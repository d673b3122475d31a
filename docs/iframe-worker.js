// Browsers start no Worker for pages that are opened from the disk. There the search runs in a frame:
// its script believes that it is a Worker's, and nothing is fetched from the network for it.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.inside = this.frame.contentWindow;
      const page = this.inside.document.open();
      this.inside.postMessage = (data) => this.tell(this, data);
      this.isReady = new Promise((resolve) => { this.inside.isReady = resolve; });
      page.write(`<script src="${url}"></script><script>isReady()</script>`);
      page.close();
    }

    postMessage(data) {
      this.isReady.then(() => this.tell(this.inside, data));
    }

    tell(target, data) {
      target.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
