// Addresses of models in the forms in which people copy them: a folder of any host, or whatever the hub shows of a repository.

const HUB = 'https://huggingface.co/';
/** Hosts that are the hub. */
const HUB_HOSTS = ['huggingface.co', 'www.huggingface.co', 'hf.co'];
/** A repository as the hub names it, with a revision (a branch, a tag or a commit) if it is not the main branch. */
const REPOSITORY = /^[\w.-]+\/[\w.-]+(@[\w./-]+)?$/;
/** A host without its protocol, as browsers show it. */
const BARE_HOST = /^(?:localhost|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,})(?::\d+)?(?:\/|$)/i;
/** Files of a folder with a model. */
const FILE = /[^/]+\.(?:json|safetensors|bin|txt|md|pt|h5|msgpack)$/;

/**
 * The address of a folder with a model's files, with a slash at its end.
 *
 * @param {string} typed
 * @returns {string}
 * @throws {Error} with a message for the user
 */
export function folderOf(typed) {
  const text = typed.trim();
  if (REPOSITORY.test(text) && !text.startsWith('.')) return ofRepository(text);
  let url;
  try {
    url = new URL(BARE_HOST.test(text) ? `${text.startsWith('localhost') ? 'http' : 'https'}://${text}` : text, document.baseURI);
  } catch {
    throw new Error(`"${text}" is not an address. It should look like https://example.org/models/gpt2/, or like openai-community/gpt2 for a repository of the hub.`);
  }
  if (!/^https?:$/.test(url.protocol)) throw new Error(`"${text}" is not an http or https address.`);
  url.hash = '';
  if (HUB_HOSTS.includes(url.hostname)) return ofHub(url, text);
  if (url.search) throw new Error(`"${text}" has a query (${url.search}), and so cannot be the folder of several files. Give the address of a folder with config.json and model.safetensors.`);
  // An address of one of the folder's files means the folder.
  url.pathname = withSlash(url.pathname.replace(FILE, ''));
  return url.href;
}

/** @param {string} name `owner/name` or `owner/name@revision` */
function ofRepository(name) {
  const [repository, revision = 'main'] = name.split('@');
  return `${HUB}${repository}/resolve/${encodeURIComponent(revision)}/`;
}

/** The files behind any page of a repository: its front, a folder, a file, a download. @param {URL} url @param {string} text as typed */
function ofHub(url, text) {
  const parts = url.pathname.replace(/\.git\/?$/, '').split('/').filter(Boolean);
  const [first] = parts;
  if (first === 'datasets' || first === 'spaces') throw new Error(`"${text}" is not a model: the hub keeps ${first} there.`);
  // Old repositories have no owner; the hub sends on to where they are now.
  const at = parts.findIndex((part) => ['resolve', 'tree', 'blob', 'raw'].includes(part));
  const name = parts.slice(0, at < 0 ? 2 : at);
  if (name.length === 0) throw new Error(`"${text}" names no repository. It should look like ${HUB}openai-community/gpt2.`);
  const [last, tagged] = (name.at(-1) ?? '').split('@');
  const repository = [...name.slice(0, -1), last].join('/');
  const [revision = tagged ?? 'main', ...path] = at < 0 ? [] : parts.slice(at + 1);
  const folder = path.join('/').replace(FILE, '');
  return withSlash(`${HUB}${repository}/resolve/${revision}/${folder}`);
}

/** @param {string} path */
function withSlash(path) {
  return path.endsWith('/') ? path : `${path}/`;
}

/** The repository of the hub that a folder belongs to; null if it is elsewhere. @param {string} folder as `folderOf` gives it */
export function hubRepository(folder) {
  return folder.startsWith(HUB) ? (/^(.+)\/resolve\//.exec(folder.slice(HUB.length))?.[1] ?? null) : null;
}

/** A short name for a folder: the repository, with its revision if that is not the main branch, else host and path. @param {string} folder as `folderOf` gives it */
export function nameOf(folder) {
  const repository = hubRepository(folder);
  if (!repository) return folder.replace(/^https?:\/\/|\/$/g, '');
  const [revision, ...path] = folder.slice(`${HUB}${repository}/resolve/`.length).split('/').filter(Boolean);
  return `${[repository, ...path].join('/')}${revision === 'main' ? '' : `@${decodeURIComponent(revision)}`}`;
}
