// Wires the page together: state, editor, engine, study and inspector, and how each reacts when another changes.

import { byId } from './dom.js';
import { casesOf, emptyGroup, withDefaults } from './experiment.js';
import { readLink, writeLink } from './link.js';
import { toast } from './messages.js';
import { readDraft, State } from './state.js';
import { startTooltips } from './tip.js';
import { Editor } from './editor/editor.js';
import { presetMenu } from './editor/presets.js';
import { Engine, EngineError } from './engine/client.js';
import { studyMenu } from './exports/study-menu.js';
import { Inspector } from './inspector/inspector.js';
import { modelChooser } from './opening/chooser.js';
import { choiceFromQuery, deviceFromQuery } from './opening/choices.js';
import { Opener } from './opening/opener.js';
import { storageButton } from './opening/storage.js';
import { startContents } from './shell/contents.js';
import { fitRail } from './shell/rail.js';
import { watchReading } from './shell/reading.js';
import { startSheet } from './shell/sheet.js';
import { startThemeSwitch } from './shell/theme-switch.js';
import { greet, startUpdates } from './shell/updates.js';
import { Setup } from './study/setup.js';
import { Study } from './study/study.js';

/** @import { FullExperiment } from './experiment.js' */
/** @import { Place } from './types/engine.js' */

const CHECK_PAUSE_MS = 120;
const LINK_PAUSE_MS = 400;
/** If the first model takes longer than this, it is being downloaded, and the service worker no longer waits for it. */
const OPENING_MS = 20_000;

const engine = new Engine();
const state = new State();
const setup = new Setup();
const sheet = startSheet();
startThemeSwitch();
startTooltips();
fitRail();

const presets = presetMenu({
  onReplace: (name, experiment) => {
    state.edit((own) => Object.assign(own, structuredClone(experiment)));
    state.setTest({ group: 0, pair: 0, swapped: false });
    toast(`The experiment is now \u201c${name}\u201d.`, { label: 'Undo', click: () => state.undo() });
  },
  onAdd: (name, experiment) => {
    state.edit((own) => own.groups.push(...structuredClone(experiment.groups)));
    toast(`The groups of \u201c${name}\u201d were added.`, { label: 'Undo', click: () => state.undo() });
  },
});
const editor = new Editor(state, {
  root: byId('editor', HTMLElement), tools: byId('rail-tools', HTMLElement), presets: presets.element,
  onEnter: () => study.refresh(true),
  check: async (experiment) => {
    try {
      return await engine.call('check', { experiment });
    } catch {
      // A broken engine is reported by check() below.
      return null;
    }
  },
});

/** @param {Place} place */
const describe = (place) => {
  const group = state.experiment.groups[place.group]?.name || `group ${place.group}`;
  return [group, place.pair !== null && place.pair !== undefined && `pair ${place.pair}`, place.field].filter(Boolean).join(', ');
};
/** @param {Place} place */
const goTo = (place) => {
  sheet.open();
  editor.goTo(place);
};

const opener = new Opener(engine, { onOpened, onReopened, onQuery: () => writeAddress() });
const onCrash = (/** @type {EngineError} */ error) => opener.crashed(error);

const study = new Study(engine, state, setup, {
  root: byId('sections', HTMLElement),
  model: () => opener.open?.model ?? null,
  serial: () => opener.serial,
  describe,
  goTo,
  onCrash,
  onLost: (error) => opener.lost(error),
  actions: {
    onHead: ({ layer, head, group }) => inspector.open({ kind: 'head', layer, head, group }),
    onNeuron: ({ layer, neuron, group }) => inspector.open({ kind: 'neuron', layer, neuron, group }),
    onPatch: ({ site, layer, head, neuron, position, group }) => {
      // A patch of a whole head or neuron opens the card of that head or neuron, which links to the patched run.
      if (position === undefined && head !== undefined) inspector.open({ kind: 'head', layer, head, group });
      else if (neuron !== undefined) inspector.open({ kind: 'neuron', layer, neuron, group });
      else inspector.open({ kind: 'patch', site, layer, head, position, group });
    },
    onDot: (group, prompt) => {
      const found = casesOf(state.experiment).find((item) => item.group === group && item.prompt === prompt);
      if (found) state.setTest({ group, pair: found.pair, swapped: found.swapped });
      study.figureOf('test-prompt')?.element.scrollIntoView({ block: 'nearest' });
    },
    onSeries: (_, name) => {
      const fold = [...(study.figureOf('logit-diff')?.element.querySelectorAll('details') ?? [])].find((candidate) => candidate.dataset.title === name);
      if (!fold) return;
      fold.open = true;
      fold.scrollIntoView({ block: 'nearest' });
      fold.querySelector('summary')?.focus();
    },
  },
});
const inspector = new Inspector(state, setup, study);
const contents = startContents(byId('contents', HTMLElement), study, { onGo: goToSection });

study.results.onChange((analysis) => {
  if (analysis !== 'logit-diff') return;
  const report = study.results.of(analysis);
  editor.showResults(report?.parts.find((part) => part.kind === 'dots') ?? null);
});
watchReading(() => study.sections.map(({ entry, element }) => ({ id: entry.id, element })), (id) => {
  contents.mark(id);
  setup.section = id;
  writeAddressSoon();
});

/** @param {string} id */
function sectionElement(id) {
  return study.sections.find(({ entry }) => entry.id === id)?.element ?? null;
}

/** @param {string} id */
function goToSection(id) {
  sheet.close();
  sectionElement(id)?.scrollIntoView({ block: 'start' });
  sectionElement(id)?.querySelector('h2')?.focus({ preventScroll: true });
}

/** A model has been opened. The first one completes the page. */
async function onOpened() {
  check();
  await loadCatalogue();
  presets.showCautions(/^demo model/.test(opener.open?.model.name ?? ''));
  study.modelChanged();
  inspector.refresh();
  // Figure heights depend on the model's size, so scroll to the linked section again.
  sectionElement(linkedSection)?.scrollIntoView({ block: 'start' });
  linkedSection = '';
}

/** The same model has been opened again, possibly on another device. */
function onReopened() {
  study.timing.clear();
  check();
}

/** The section that the link points to; cleared once it has been shown or the user moves elsewhere. */
let linkedSection = '';
for (const event of ['wheel', 'touchstart', 'pointerdown', 'keydown']) addEventListener(event, () => { linkedSection = ''; }, { passive: true });

/** Builds the sections and fills the presets menu. */
async function loadCatalogue() {
  const loading = loadPresets();
  if (!study.isBuilt) {
    try {
      study.build(await engine.call('catalogue', {}));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      onCrash(error);
    }
  }
  await loading;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let checkTimer;
let checks = 0;
/** Requests the tokens and problems of the experiment; only the latest response is used. */
async function check() {
  if (!state.isStarted) return;
  const mine = (checks += 1);
  try {
    const checked = await engine.call('check', { experiment: state.experiment });
    if (mine === checks) editor.showCheck(checked);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.code === 'engine') onCrash(error);
    // The experiment is checked again once a new device is ready.
    else if (error.code !== 'compute') toast(error.message);
  }
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let linkTimer;
function writeAddressSoon() {
  clearTimeout(linkTimer);
  linkTimer = setTimeout(writeAddress, LINK_PAUSE_MS);
}

/** Writes the draft and the address bar immediately. */
function saveNow() {
  clearTimeout(linkTimer);
  return writeAddress();
}

async function writeAddress() {
  if (!state.isStarted) return;
  const fragment = await writeLink(state.experiment, state.test, setup.save());
  history.replaceState(null, '', `${location.pathname}${opener.query}${fragment}`);
  state.savedAs(fragment);
}

state.onChange(() => {
  setup.follow(state.experiment);
  sheet.summarise(state.experiment);
  if (state.experiment.groups.length === 0) editor.showResults(null);
  clearTimeout(checkTimer);
  checkTimer = setTimeout(check, CHECK_PAUSE_MS);
  writeAddressSoon();
  study.refresh();
  inspector.refresh();
});
setup.onChange(() => {
  writeAddressSoon();
  study.refresh();
});

/** Replaces the experiment with an imported or linked one. @param {FullExperiment} experiment @param {string} what */
function replaceBy(experiment, what) {
  state.edit((own) => Object.assign(own, experiment));
  toast(what, { label: 'Undo', click: () => state.undo() });
}

/** @param {File} file */
async function importFile(file) {
  try {
    const [{ readDocument }, { Loaded }] = await Promise.all([import('./shell/documents.js'), import('./study/loaded.js')]);
    const { experiment, study: loaded } = await readDocument(file, engine);
    replaceBy(experiment, loaded ? `${file.name} was opened: its numbers are shown as they are.` : `${file.name} was imported.`);
    if (!loaded) return;
    study.load(new Loaded(file.name, loaded));
    setup.set(loaded.view);
    if (loaded.test) state.setTest(loaded.test);
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error));
  }
}

const chooser = modelChooser({
  onModel: (choice) => opener.choose(choice),
  onDevice: (device) => opener.chooseDevice(device),
  onDocument: importFile,
});
opener.connect(chooser);
byId('storage-place', HTMLElement).replaceChildren(storageButton(engine));

const importInput = byId('import-file', HTMLInputElement);
byId('import', HTMLElement).addEventListener('click', () => importInput.click());
importInput.addEventListener('change', () => {
  const file = importInput.files?.[0];
  importInput.value = '';
  if (file) importFile(file);
});
byId('export-place', HTMLElement).replaceChildren(studyMenu({
  experiment: () => state.experiment,
  test: () => state.test,
  view: () => setup.save(),
  model: () => study.loadedModel ?? opener.open?.model ?? null,
  python: () => opener.inPython,
  figures: () => study.computed,
  missing: () => study.missing,
  link: async () => {
    await saveNow();
    return { address: location.href, isWhole: !opener.isFromFiles };
  },
  describe,
}, engine));
byId('share', HTMLElement).addEventListener('click', async () => {
  await saveNow();
  const lacks = opener.isFromFiles ? ' It opens the demo model: files cannot be part of a link.' : '';
  try {
    await navigator.clipboard.writeText(location.href);
    toast(`The link was copied.${lacks}`);
  } catch {
    toast(`The link is in the address bar: copy it from there.${lacks}`);
  }
});

/** Starts with the linked experiment, else the draft of the last visit, else the first preset. */
async function start() {
  const query = new URLSearchParams(location.search);
  const opening = opener.start(choiceFromQuery(query), deviceFromQuery(query));
  const patience = new Promise((done) => setTimeout(done, OPENING_MS));
  Promise.race([opening, patience]).then(() => startUpdates(saveNow));
  const draft = readDraft();
  let linked = null;
  try {
    linked = await readLink(location.hash);
  } catch (error) {
    toast(`The link\u2019s experiment cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
  // A draft saved under this link is a later edit of the linked experiment, so it takes precedence.
  const isOwn = draft?.links.includes(location.hash) ?? false;
  const first = isOwn ? draft : (linked ?? draft);
  if (linked) setup.set(linked.study);
  if (first) state.start(first.experiment, first.test, !isOwn && linked && draft ? draft.experiment : null);
  await loadCatalogue();
  if (!opener.open) linkedSection = linked?.study.section ?? '';
  sectionElement(linked?.study.section ?? '')?.scrollIntoView({ block: 'start' });
}

let presetsLoaded = false;
/** Fills the presets menu, and the editor if it is still empty. */
async function loadPresets() {
  if (presetsLoaded) return;
  try {
    const list = await engine.call('presets', {});
    if (presetsLoaded) return;
    presetsLoaded = true;
    presets.fill(list);
    if (state.isStarted) return;
    const preset = list[0]?.experiment;
    state.start(preset ? withDefaults(preset) : { groups: [emptyGroup(state.experiment)], prepend_bos: true }, null);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    onCrash(error);
  }
}

window.addEventListener('hashchange', async () => {
  try {
    const linked = await readLink(location.hash);
    if (!linked) return;
    setup.set(linked.study);
    replaceBy(linked.experiment, 'The link\u2019s experiment was opened.');
    if (linked.test) state.setTest(linked.test);
  } catch (error) {
    toast(`The link\u2019s experiment cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
});

greet();
start();
