// The script of pages in development: waits for events of the server while its page is seen, and shows the page, or
// its style sheets, anew. A page that is not seen holds no connection, of which a browser has six for a host. The
// version in the script's tag is that of the code that made the page: a page of older code reloads when it is seen
// again, and only once for each version, should a cache give the old page back.

export const RELOAD_SCRIPT = `(() => {
  const { src, dataset } = document.currentScript;
  const seen = "typhon-reloaded";
  let source = null;

  const reload = ({ data }) => {
    try {
      if (sessionStorage.getItem(seen) === data) return;
      sessionStorage.setItem(seen, data);
    } catch {}
    location.reload();
  };

  const swapStyles = ({ data }) => {
    dataset.version = data;
    for (const link of document.querySelectorAll('link[rel~="stylesheet"]')) {
      const url = new URL(link.href, location.href);
      if (url.origin !== location.origin) continue;
      url.searchParams.set("typhon", data);
      const next = link.cloneNode();
      next.href = url.href;
      next.onload = next.onerror = () => link.remove();
      link.after(next);
    }
  };

  const listen = () => {
    const isSeen = document.visibilityState === "visible";
    if (isSeen && source === null) {
      source = new EventSource(new URL("reload?since=" + dataset.version, src));
      source.addEventListener("page", reload);
      source.addEventListener("styles", swapStyles);
    } else if (!isSeen && source !== null) {
      source.close();
      source = null;
    }
  };

  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    source = null;
    listen();
  });
  listen();
})();
`;
