// Starts the page in the skeleton that index.html has.

import { createApp } from './app.js';
import { byId } from './dom.js';

createApp({
  editor: byId('editor', HTMLElement),
  tools: byId('rail-tools', HTMLElement),
  contents: byId('contents', HTMLElement),
  opening: byId('opening', HTMLElement),
  sections: byId('sections', HTMLElement),
  inspector: byId('inspector', HTMLElement),
  toast: byId('toast', HTMLElement),
  status: byId('status', HTMLElement),
  stored: byId('storage-place', HTMLElement),
  exports: byId('export-place', HTMLElement),
  share: byId('share', HTMLElement),
  importing: byId('import', HTMLElement),
  file: byId('import-file', HTMLInputElement),
});
