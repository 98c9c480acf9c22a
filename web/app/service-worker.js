// The page without a network, and with threads where the host sends no headers for them.
//
// The build writes the names of the page's files and their version in here. Files have names of their content, so a cached one
// is never old; the page itself comes from the network where there is one. A model's weights are none of this worker's
// business: the package keeps them. What describes a model is kept here, since the package asks for it each time.

const FILES = __FILES__;
const VERSION = __VERSION__;

/** Other sites of this origin have caches of their own. */
const scope = new URL(self.registration.scope).pathname;
const SHELL = `nomul-page ${scope} ${VERSION}`;
const DESCRIPTIONS = "nomul-descriptions";

/** What an isolated page and its workers must be served with. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

const DESCRIPTION =
  /\/(config|tokenizer|tokenizer_config|generation_config|model\.safetensors\.index)\.json$|\/tokenizer\.nomul$|\/chat_template\.jinja$/;

const files = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));
const home = self.registration.scope;

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(SHELL);
    await cache.addAll([home, ...files].map((url) => new Request(url, { cache: "no-cache" })));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(`nomul-page ${scope} `) && name !== SHELL);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || request.headers.has("range")) return;
  const url = new URL(request.url);
  const isHome = request.mode === "navigate" && [home, `${home}index.html`].includes(url.origin + url.pathname);
  if (isHome) event.respondWith(newest(SHELL, home, request).then(isolated));
  else if (files.has(url.href)) event.respondWith(kept(url.href, request).then(isolated));
  else if (DESCRIPTION.test(url.pathname)) event.respondWith(newest(DESCRIPTIONS, url.href, request));
});

/** From the cache, where it is. */
async function kept(url, request) {
  return (await (await caches.open(SHELL)).match(url)) ?? fetch(request);
}

/** From the network, where there is one; else what came from there last. Also that there is no such file. */
async function newest(name, url, request) {
  const cache = await caches.open(name);
  try {
    const response = await fetch(request);
    const isFinal = response.ok || response.status === 404;
    if (name === DESCRIPTIONS && isFinal) await cache.put(url, response.clone()).catch(() => undefined);
    return response;
  } catch (error) {
    const old = await cache.match(url);
    if (old === undefined) throw error;
    return old;
  }
}

function isolated(response) {
  // A redirection cannot be rewritten; the request that follows it comes here again.
  if (response.type === "opaqueredirect" || response.type === "error") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
