// The page: makes its parts, and says what each does when something happens in another.

import { batch, effect, untracked } from './vendor/dist/libraries.js';
import { Address, readAddress } from './address.js';
import { Messages } from './messages.js';
import { Tip } from './tip.js';
import { Editor } from './editor/editor.js';
import { presetMenu } from './editor/presets.js';
import { Engine, EngineError } from './engine/client.js';
import { saveMenu } from './exports/menu.js';
import { studyMenu } from './exports/study-menu.js';
import { Inspector } from './inspector/inspector.js';
import { modelChooser } from './opening/chooser.js';
import { choiceFromQuery, deviceFromQuery } from './opening/choices.js';
import { Opener } from './opening/opener.js';
import { OpeningPanel } from './opening/panel.js';
import { storageButton } from './opening/storage.js';
import { Hover } from './reports/hover.js';
import { Stage } from './reports/stage.js';
import { Back } from './shell/back.js';
import { startContents } from './shell/contents.js';
import { fitRail } from './shell/rail.js';
import { watchReading } from './shell/reading.js';
import { startSheet } from './shell/sheet.js';
import { startThemeSwitch } from './shell/theme-switch.js';
import { greet, startUpdates } from './shell/updates.js';
import { Draft, readDraft, readHistory } from './store/draft.js';
import { casesOf, emptyGroup, withDefaults } from './store/experiment.js';
import { Store } from './store/store.js';
import { DEFAULT_PICTURE } from './store/view.js';
import { Study } from './study/study.js';

/** @import { Checked, Experiment, Place } from './types/engine.js' */
/** @import { FullExperiment } from './store/experiment.js' */
/** @import { View } from './store/view.js' */
/** @import { PlantName } from './opening/choices.js' */
/** @import { Actions } from './reports/actions.js' */
/** @import { Picture } from './reports/stage.js' */

const CHECK_PAUSE_MS = 120;
/** If the first model takes longer than this, it is being downloaded, and the service worker no longer waits for it. */
const OPENING_MS = 20_000;

/**
 * The elements that the page fills.
 *
 * @typedef {object} Parts
 * @property {HTMLElement} editor
 * @property {HTMLElement} tools beside the editor's heading
 * @property {HTMLElement} contents
 * @property {HTMLElement} opening
 * @property {HTMLElement} sections
 * @property {HTMLElement} inspector
 * @property {HTMLElement} toast
 * @property {HTMLElement} status a live region
 * @property {HTMLElement} stored place of the list of stored weights
 * @property {HTMLElement} exports place of the export menu
 * @property {HTMLElement} share
 * @property {HTMLElement} importing button that opens a file
 * @property {HTMLInputElement} file
 */

/** @param {Parts} parts */
export function createApp(parts) {
  const engine = new Engine();
  const store = new Store();
  const draft = new Draft(store);
  const messages = new Messages(parts.toast, parts.status);
  const tip = new Tip(document);
  const back = new Back(() => void address.save());
  const sheet = startSheet(store, back);
  startThemeSwitch();
  fitRail();

  const undo = { label: 'Undo', click: () => store.undo() };
  /** Replaces the experiment, and the view if one comes with it. @param {{ experiment: FullExperiment, view?: View, test?: import('./store/store.js').TestPrompt | null }} what @param {string} told */
  const replaceBy = (what, told) => {
    store.apply(what);
    messages.toast(told, undo);
  };

  /** @param {unknown} error */
  const inWords = (error) => (error instanceof Error ? error.message : String(error));
  /** @param {unknown} error */
  const tell = (error) => messages.toast(inWords(error));

  const presets = presetMenu({
    onReplace: (name, experiment) => replaceBy({ experiment: structuredClone(experiment), test: { group: 0, pair: 0, swapped: false } }, `The experiment is now \u201c${name}\u201d.`),
    onAdd: (name, experiment) => {
      store.edit((own) => own.groups.push(...structuredClone(experiment.groups)));
      messages.toast(`The groups of \u201c${name}\u201d were added.`, undo);
    },
    onPlanted: (name) => void openPlanted(name).catch(tell),
  });
  const editor = new Editor(store, {
    root: parts.editor, tools: parts.tools, presets: presets.element,
    onEnter: () => study.hasten(),
    check: (experiment) => checkOf(experiment),
  });

  const opener = new Opener(engine, store, { panel: new OpeningPanel(parts.opening), messages, onReopened: () => { study.timing.clear(); void check(); } });
  const onCrash = (/** @type {EngineError} */ error) => opener.crashed(error);

  /** @param {Place} place */
  const describe = (place) => {
    const group = store.experiment.groups[place.group]?.name || `group ${place.group}`;
    return [group, place.pair !== null && place.pair !== undefined && `pair ${place.pair}`, place.field].filter(Boolean).join(', ');
  };
  /** @param {Place} place */
  const goTo = (place) => {
    sheet.open();
    editor.goTo(place);
  };
  /** @param {string} name @returns {Picture} */
  const pictures = (name) => ({
    get now() { return { ...DEFAULT_PICTURE, ...store.view.pictures[name] }; },
    set(changes) { store.setView({ pictures: { ...store.view.pictures, [name]: { ...store.view.pictures[name], ...changes } } }); },
  });
  /** @type {Actions} */
  const actions = {
    circuit: {
      get text() { return String(store.view.settings.circuit?.edges ?? ''); },
      set: (text) => store.setSetting('circuit', 'edges', text || null),
    },
    onHead: ({ layer, head, group }) => inspector.open({ kind: 'head', layer, head, group }),
    onNeuron: ({ layer, neuron, group }) => inspector.open({ kind: 'neuron', layer, neuron, group }),
    onPatch: ({ site, layer, head, neuron, position, group }) => {
      // A patch of a whole head or neuron opens the card of that head or neuron, which links to the patched run.
      if (position === undefined && head !== undefined) inspector.open({ kind: 'head', layer, head, group });
      else if (neuron !== undefined) inspector.open({ kind: 'neuron', layer, neuron, group });
      else inspector.open({ kind: 'patch', site, layer, head, position, group });
    },
    onDot: (group, prompt, nth) => {
      const found = casesOf(store.experiment).filter((item) => item.group === group && item.prompt === prompt)[nth];
      if (found) store.setTest({ group, pair: found.pair, swapped: found.swapped });
      study.figureOf('test-prompt')?.element.scrollIntoView({ block: 'nearest' });
    },
    onSeries: (group) => {
      /** @type {HTMLDetailsElement | null | undefined} */
      const fold = study.figureOf('logit-diff')?.element.querySelector(`details[data-group="${group}"]`);
      if (!fold) return;
      fold.open = true;
      fold.scrollIntoView({ block: 'nearest' });
      fold.querySelector('summary')?.focus();
    },
  };
  const stage = new Stage({ actions, hover: new Hover(), tip, pictures, menu: (figure, part) => saveMenu(figure, part, (text) => messages.toast(text), (circuit) => engine.call('circuitFile', { circuit })) });
  const study = new Study(engine, store, { root: parts.sections, stage, describe, goTo, say: (text) => messages.say(text), onCrash, onLost: (error) => opener.lost(error) });
  const inspector = new Inspector(parts.inspector, store, study, stage);
  const contents = startContents(parts.contents, study, { onGo: goToSection });
  const address = new Address(store, draft, {
    query: () => opener.query,
    onTooLarge: (why) => messages.toast(`The address bar holds no link any more: ${why}. This browser goes on keeping the experiment${draft.isKept ? '' : ' until the page is closed: its storage is full'}.`),
  });

  const closeInspector = () => inspector.close(true);
  effect(() => {
    if (inspector.isOpen.value) back.opened(closeInspector);
    else back.closed(closeInspector);
  });
  effect(() => {
    const result = study.runOf('logit-diff')?.result.value;
    const dots = result?.report.parts.find((part) => part.kind === 'dots') ?? null;
    untracked(() => editor.showResults(dots));
  });
  watchReading(() => study.sections.value.map(({ entry, element }) => ({ id: entry.id, element })), (id) => {
    contents.mark(id);
    store.setView({ section: id });
  });

  /** @param {string} id */
  function sectionElement(id) {
    return study.sections.value.find(({ entry }) => entry.id === id)?.element ?? null;
  }

  /** @param {string} id */
  function goToSection(id) {
    sheet.close();
    sectionElement(id)?.scrollIntoView({ block: 'start' });
    sectionElement(id)?.querySelector('h2')?.focus({ preventScroll: true });
  }

  /** Goes to a section or a figure. @param {string} id @returns {boolean} false if there is none of that name */
  function goToPlace(id) {
    if (sectionElement(id)) goToSection(id);
    else if (study.figureOf(id)) study.goToFigure(id);
    else return false;
    return true;
  }

  /** Where the link leads to; empty once it has been shown or the visitor moves elsewhere. */
  let wantedPlace = '';
  for (const event of ['wheel', 'touchstart', 'pointerdown', 'keydown']) addEventListener(event, () => { wantedPlace = ''; }, { passive: true });

  let serial = 0;
  effect(() => {
    const model = store.model.value;
    if (!model || model.serial === serial) return;
    serial = model.serial;
    void untracked(async () => {
      void check();
      await loadCatalogue();
      presets.showModel(opener.choice?.kind);
      // Figure heights depend on the model's size, so go to the linked place again.
      if (wantedPlace) goToPlace(wantedPlace);
      wantedPlace = '';
    });
  });

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

  /** The tokens and problems of an experiment; null if the engine cannot tell. @param {Experiment} experiment @returns {Promise<Checked | null>} */
  async function checkOf(experiment) {
    try {
      return await engine.call('check', { experiment });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.code === 'engine') onCrash(error);
      // The experiment is checked again once a new device is ready.
      else if (error.code !== 'compute') messages.toast(error.message);
      return null;
    }
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let checkTimer;
  let checks = 0;
  /** Requests the tokens and problems of the experiment; only the latest response is used. */
  async function check() {
    if (!store.isStarted) return;
    const mine = (checks += 1);
    const checked = await checkOf(store.experiment);
    if (checked && mine === checks) editor.showCheck(checked);
  }
  effect(() => {
    void store.experiment;
    clearTimeout(checkTimer);
    checkTimer = setTimeout(() => void check(), CHECK_PAUSE_MS);
  });

  /** @param {PlantName} name */
  async function openPlanted(name) {
    const experiment = await (await import('./editor/preset-list.js')).openPlanted(name, opener);
    if (!experiment) return;
    batch(() => {
      // Edges of another model.
      store.setSetting('circuit', 'edges', null);
      replaceBy({ experiment, test: { group: 0, pair: 0, swapped: false } }, 'The planted model is open, with its prompts.');
    });
  }

  /** The documents that were chosen are read one after the other, so that the one chosen last is the one that stays. */
  let imported = Promise.resolve();
  /** @param {File} file */
  function importFile(file) {
    imported = imported.then(() => readAndShow(file)).catch(tell);
    return imported;
  }

  /** @param {File} file */
  async function readAndShow(file) {
    const [{ readDocument }, { Loaded }] = await Promise.all([import('./shell/documents.js'), import('./study/loaded.js')]);
    const { experiment, study: loaded } = await readDocument(file, engine);
    batch(() => {
      if (loaded) store.loaded.value = new Loaded(file.name, loaded);
      replaceBy({ experiment, ...(loaded ? { view: loaded.view, test: loaded.test } : {}) }, loaded ? `${file.name} was opened: its numbers are shown as they are.` : `${file.name} was imported.`);
    });
  }

  opener.connect(modelChooser({ onModel: (choice) => opener.choose(choice), onDevice: (device) => opener.chooseDevice(device), onDocument: importFile }));
  parts.stored.replaceChildren(storageButton(engine, (text) => messages.say(text)));
  parts.importing.addEventListener('click', () => parts.file.click());
  parts.file.addEventListener('change', () => {
    const file = parts.file.files?.[0];
    parts.file.value = '';
    if (file) void importFile(file);
  });

  /** Writes the link. @returns {Promise<{ address: string, isUseless: boolean, lacks: string }>} */
  async function link() {
    const missing = await address.save();
    return { address: location.href, isUseless: missing !== '', lacks: missing || (opener.isFromFiles ? 'it opens the demo model: files cannot be part of a link' : '') };
  }
  parts.exports.replaceChildren(studyMenu({
    experiment: () => store.experiment,
    test: () => store.test,
    view: () => store.view,
    model: () => study.loadedModel ?? store.model.value?.info ?? null,
    python: () => opener.inPython,
    figures: () => study.computed,
    missing: () => study.missing,
    pictures,
    link,
    describe,
  }, engine, messages));
  parts.share.addEventListener('click', async () => {
    const { address: href, isUseless, lacks } = await link();
    const sentence = lacks && `${lacks[0].toUpperCase()}${lacks.slice(1)}.`;
    if (isUseless) return messages.toast(`Nothing was copied: ${lacks}.`);
    try {
      await navigator.clipboard.writeText(href);
      messages.toast(`The link was copied. ${sentence}`.trim());
    } catch {
      messages.toast(`The link is in the address bar: copy it from there. ${sentence}`.trim());
    }
  });

  let presetsLoaded = false;
  /** Fills the presets menu, and the editor if it is still empty. */
  async function loadPresets() {
    if (presetsLoaded) return;
    try {
      const list = await engine.call('presets', {});
      if (presetsLoaded) return;
      presetsLoaded = true;
      presets.fill(list);
      if (store.isStarted) return;
      const preset = list[0]?.experiment;
      store.apply({ experiment: preset ? withDefaults(preset) : { groups: [emptyGroup(store.experiment)], prepend_bos: true } });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      onCrash(error);
    }
  }

  /** @param {unknown} error */
  const toldOfLink = (error) => messages.toast(`The link\u2019s experiment cannot be read: ${inWords(error)}.`);

  addEventListener('hashchange', async () => {
    if (back.isReturn(location.href)) return;
    try {
      const { linked, place } = await readAddress(location.hash);
      if (linked) replaceBy(linked, 'The link\u2019s experiment was opened.');
      else goToPlace(place);
      // Whatever was asked for, the skip link's place too: the address bar goes on holding the whole page.
      if (!linked) await address.save();
    } catch (error) {
      toldOfLink(error);
    }
  });

  /** Starts with the linked experiment, else the planted model's own, else the draft of the last visit, else the first preset. */
  async function start() {
    const query = new URLSearchParams(location.search);
    const choice = choiceFromQuery(query);
    const opening = opener.start(choice, deviceFromQuery(query));
    const patience = new Promise((done) => setTimeout(done, OPENING_MS));
    void Promise.race([opening, patience]).then(() => startUpdates(() => address.save(), messages, (why) => engine.retire(why)));
    const kept = readDraft();
    const { linked, place } = await readAddress(location.hash).catch((error) => {
      toldOfLink(error);
      return { linked: null, place: '' };
    });
    // A draft saved under this link is a later edit of the linked experiment, so it takes precedence.
    const isOwn = kept?.links.includes(location.hash) ?? false;
    const prompts = choice.kind === 'planted' && !isOwn && !linked && await import('./editor/preset-list.js').then(({ plantedPrompts }) => plantedPrompts(choice.name)).catch(tell);
    const first = isOwn ? kept : linked ?? (prompts ? { experiment: prompts, test: null } : kept);
    wantedPlace = place || (linked?.view.section ?? '');
    if (first) {
      store.apply({ experiment: first.experiment, test: first.test, view: isOwn ? kept?.view : linked?.view ?? kept?.view, before: kept && first !== kept ? kept.experiment : null });
      if (isOwn) store.resume(readHistory());
    }
    await loadCatalogue();
    if (wantedPlace) goToPlace(wantedPlace);
    if (store.model.value) wantedPlace = '';
  }

  addEventListener('unhandledrejection', ({ reason }) => messages.toast(`The page made a mistake: ${inWords(reason)}`));
  greet(messages);
  void start();
  return { store, study };
}
