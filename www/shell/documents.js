// Experiments and studies from files.

import { readExperiment } from '../store/experiment.js';
import { isStudy, readStudy } from '../exports/study-read.js';
import { EngineError } from '../engine/client.js';
import { checkDrawn } from '../exports/study-drawn.js';

/** @import { FullExperiment } from '../store/experiment.js' */
/** @import { LoadedStudy } from '../exports/study-read.js' */
/** @import { Engine } from '../engine/client.js' */

/** A file's text, also in UTF-16 with a byte order mark, as Windows writes it. @param {File} file */
async function textOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const mark = (bytes[0] << 8) | bytes[1];
  return new TextDecoder({ 0xfffe: 'utf-16le', 0xfeff: 'utf-16be' }[mark] ?? 'utf-8').decode(bytes);
}

/** What JSON text says; undefined if it is none. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @param {File} file
 * @param {Engine} engine decides whether an experiment document is valid
 * @returns {Promise<{ experiment: FullExperiment, study: LoadedStudy | null }>}
 * @throws {Error} with a message for the user, if the file is neither an experiment nor a study
 */
export async function readDocument(file, engine) {
  const text = await textOf(file);
  const document = parsed(text);
  // A list of pairs: JSON lines, or a table.
  if (document === undefined || (typeof document === 'object' && document !== null && 'clean' in document)) {
    return { experiment: readExperiment(await engine.call('read', { text })), study: null };
  }
  const kind = isStudy(document) ? 'a study' : 'an experiment';
  try {
    const study = isStudy(document) ? readStudy(document) : null;
    if (study) await checkDrawn(study);
    const experiment = study?.experiment ?? readExperiment(document);
    await engine.call('check', { experiment: study ? study.experiment : document });
    return { experiment, study };
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new Error(`${file.name} is not ${kind} document: ${error instanceof Error ? error.message : error}.`);
  }
}
