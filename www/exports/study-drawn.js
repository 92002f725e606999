// Draws every figure of an imported study off-screen, so that a damaged report is found before the page changes.

import { drawPart, whenPainted } from '../reports/index.js';
import { Stage } from '../reports/stage.js';
import { breathe } from './in-slices.js';

/** @import { LoadedStudy } from './study-read.js' */

/** @param {LoadedStudy} study @throws {Error} with a message for the user, if a report in it is damaged */
export async function checkDrawn({ results }) {
  for (const { analysis, report } of results) {
    for (const part of report.parts) {
      try {
        const drawn = drawPart(part, new Stage(), analysis);
        await breathe();
        await whenPainted(drawn);
      } catch {
        throw new Error(`the report of ${analysis} is damaged`);
      }
    }
  }
}
