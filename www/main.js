// The page's wiring: state, editor, engine and sections, and what each does when another changes.

import { byId } from './dom.js';
import { casesOf, emptyGroup, withDefaults } from './experiment.js';
import { readLink, writeLink } from './link.js';
import { say, toast } from './messages.js';
import { readDraft, State } from './state.js';
import { startTooltips } from './tip.js';
import { Editor } from './editor/editor.js';
import { presetMenu } from './editor/presets.js';
import { Engine, EngineError } from './engine/client.js';
import { modelChooser } from './opening/chooser.js';
import { choiceFromQuery, deviceFromQuery } from './opening/choices.js';
import { Opener } from './opening/opener.js';
import { logitDiffSection } from './sections/logit-diff.js';
import { Runner } from './sections/runner.js';
import { TestPromptSection, TOP_K } from './sections/test-prompt.js';
import { downloadExperiment, readExperimentFile } from './shell/documents.js';
import { startSheet } from './shell/sheet.js';
import { startThemeSwitch } from './shell/theme-switch.js';

/** @import { FullExperiment } from './experiment.js' */
/** @import { Dots, Place, Report } from './types/engine.js' */

const CHECK_PAUSE_MS = 120;
const LINK_PAUSE_MS = 400;

const engine = new Engine();
const state = new State();
const sheet = startSheet();
startThemeSwitch();
startTooltips();

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
  root: byId('editor', HTMLElement), tools: byId('rail-tools', HTMLElement), presets: presets.element, onEnter: () => wantAll(true),
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

const logitDiff = logitDiffSection({
  describe, goTo, onCancel: () => runLogitDiff.cancel(), onRetry: () => runLogitDiff.again(),
  onReport: (report) => editor.showResults(dotsOf(report)),
  onDot: (group, prompt) => {
    const found = casesOf(state.experiment).find((item) => item.group === group && item.prompt === prompt);
    if (found) state.setTest({ group, pair: found.pair, swapped: found.swapped });
    testPrompt.figure.element.scrollIntoView({ block: 'nearest' });
  },
});
const testPrompt = new TestPromptSection(state, {
  describe, goTo, onCancel: () => runTestPrompt.cancel(), onRetry: () => runTestPrompt.again(),
});
byId('sections', HTMLElement).append(logitDiff.element, testPrompt.figure.element);

const opener = new Opener(engine, { onOpened: () => { wantAll(true); check(); loadPresets(); }, onQuery: () => writeAddress() });
const onCrash = (/** @type {EngineError} */ error) => opener.crashed(error);
const runLogitDiff = new Runner(engine, logitDiff, onCrash);
const runTestPrompt = new Runner(engine, testPrompt.figure, onCrash);

/** @param {Report} report @returns {Dots | null} */
function dotsOf(report) {
  return report.parts.find((part) => part.kind === 'dots') ?? null;
}

/** Brings both figures in step with the state. @param {boolean} [now] without waiting for a pause */
function wantAll(now = false) {
  const model = opener.serial;
  if (!opener.open || !state.isStarted) return;
  const { experiment } = state;
  if (experiment.groups.length === 0) {
    runLogitDiff.forget();
    logitDiff.wait('The experiment has no groups. Add one, or choose a preset.');
    editor.showResults(null);
  } else {
    runLogitDiff.want({ analysis: 'logit-diff', experiment, settings: {} }, { model, now });
  }
  if (!state.hasTest) {
    runTestPrompt.forget();
    testPrompt.figure.wait('Type a prompt above.');
    return;
  }
  // Only the switch matters to a prompt of its own: leaving the groups out spares a run at every edit of another pair.
  const alone = { groups: [], prepend_bos: experiment.prepend_bos };
  runTestPrompt.want({ analysis: 'test-prompt', experiment: alone, settings: { ...state.testText(), top_k: TOP_K } }, { model, now });
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let checkTimer;
let checks = 0;
/** Asks the engine for the tokens and problems of the experiment; only the latest answer counts. */
async function check() {
  if (!state.isStarted) return;
  const mine = (checks += 1);
  try {
    const checked = await engine.call('check', { experiment: state.experiment });
    if (mine === checks) editor.showCheck(checked);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.code === 'engine') onCrash(error);
    else toast(error.message);
  }
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let linkTimer;
async function writeAddress() {
  if (!state.isStarted) return;
  const fragment = await writeLink(state.experiment, state.test);
  history.replaceState(null, '', `${location.pathname}${opener.query}${fragment}`);
  state.savedAs(fragment);
}

/** Heights of the results to come: without them, they would push the page about when they arrive. */
const ROOM = { frame: 130, group: 70, testPrompt: 460 };
testPrompt.figure.reserve(ROOM.testPrompt);

state.onChange(() => {
  logitDiff.reserve(ROOM.frame + ROOM.group * state.experiment.groups.length);
  sheet.summarise(state.experiment);
  testPrompt.refresh();
  clearTimeout(checkTimer);
  checkTimer = setTimeout(check, CHECK_PAUSE_MS);
  clearTimeout(linkTimer);
  linkTimer = setTimeout(writeAddress, LINK_PAUSE_MS);
  wantAll();
});

/** Puts an experiment that came from outside in place of the present one. @param {FullExperiment} experiment @param {string} what */
function replaceBy(experiment, what) {
  state.edit((own) => Object.assign(own, experiment));
  toast(what, { label: 'Undo', click: () => state.undo() });
}

/** @param {File} file */
async function importFile(file) {
  try {
    replaceBy(await readExperimentFile(file, engine), `${file.name} was imported.`);
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

const importInput = byId('import-file', HTMLInputElement);
byId('import', HTMLElement).addEventListener('click', () => importInput.click());
importInput.addEventListener('change', () => {
  const file = importInput.files?.[0];
  importInput.value = '';
  if (file) importFile(file);
});
byId('export', HTMLElement).addEventListener('click', () => {
  downloadExperiment(state.experiment);
  say('The experiment was exported.');
});
byId('share', HTMLElement).addEventListener('click', async () => {
  clearTimeout(linkTimer);
  await writeAddress();
  const lacks = opener.isFromFiles ? ' It opens the demo model: files cannot be part of a link.' : '';
  try {
    await navigator.clipboard.writeText(location.href);
    toast(`The link was copied.${lacks}`);
  } catch {
    toast(`The link is in the address bar: copy it from there.${lacks}`);
  }
});

/** The first experiment: the link's, else what was typed last time, else the first preset. */
async function start() {
  const query = new URLSearchParams(location.search);
  opener.start(choiceFromQuery(query), deviceFromQuery(query));
  const draft = readDraft();
  let linked = null;
  try {
    // A draft saved under this very link is what the link became by typing on.
    if (!draft?.links.includes(location.hash)) linked = await readLink(location.hash);
  } catch (error) {
    toast(`The link\u2019s experiment cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
  const first = linked ?? draft;
  if (first) state.start(first.experiment, first.test, linked && draft ? draft.experiment : null);
  await loadPresets();
}

let presetsLoaded = false;
/** Fills the menu, and the editor if there is nothing in it yet. */
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
    replaceBy(linked.experiment, 'The link\u2019s experiment was opened.');
    if (linked.test) state.setTest(linked.test);
  } catch (error) {
    toast(`The link\u2019s experiment cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
});

start();
