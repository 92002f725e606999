// Addresses of models, as people copy them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeDocument } from './dom.mjs';

makeDocument();
const { folderOf, hubRepository, nameOf } = await import('../../../www/opening/addresses.js');

const MAIN = 'https://huggingface.co/distilbert/distilgpt2/resolve/main/';

test('the hub\u2019s pages, downloads and names all lead to the repository\u2019s files', () => {
  for (const typed of [
    'https://huggingface.co/distilbert/distilgpt2', 'https://huggingface.co/distilbert/distilgpt2/', 'https://huggingface.co/distilbert/distilgpt2/tree/main',
    'https://huggingface.co/distilbert/distilgpt2/blob/main/config.json', 'https://huggingface.co/distilbert/distilgpt2/raw/main/config.json',
    'https://huggingface.co/distilbert/distilgpt2/resolve/main/model.safetensors?download=true', 'https://huggingface.co/distilbert/distilgpt2/resolve/main',
    'https://huggingface.co/distilbert/distilgpt2#how-to-use', 'https://huggingface.co/distilbert/distilgpt2?library=transformers', 'https://hf.co/distilbert/distilgpt2',
    'http://www.huggingface.co/distilbert/distilgpt2', 'huggingface.co/distilbert/distilgpt2', 'https://huggingface.co/distilbert/distilgpt2.git', 'distilbert/distilgpt2', '  distilbert/distilgpt2\n',
  ]) assert.equal(folderOf(typed), MAIN, typed);
});

test('revisions and folders of a repository are kept', () => {
  const at = (/** @type {string} */ rest) => `https://huggingface.co/stanford-crfm/alias-gpt2-small-x21/resolve/${rest}/`;
  assert.equal(folderOf('stanford-crfm/alias-gpt2-small-x21@checkpoint-1000'), at('checkpoint-1000'));
  assert.equal(folderOf('https://huggingface.co/stanford-crfm/alias-gpt2-small-x21/tree/checkpoint-1000'), at('checkpoint-1000'));
  assert.equal(folderOf('https://huggingface.co/stanford-crfm/alias-gpt2-small-x21@checkpoint-1000'), at('checkpoint-1000'));
  assert.equal(folderOf('https://huggingface.co/stanford-crfm/alias-gpt2-small-x21/blob/main/deep/er/model.safetensors'), at('main/deep/er'));
  assert.equal(folderOf('someone/it@refs/pr/7'), 'https://huggingface.co/someone/it/resolve/refs%2Fpr%2F7/');
  assert.equal(folderOf('https://huggingface.co/gpt2'), 'https://huggingface.co/gpt2/resolve/main/');
  assert.equal(folderOf('https://huggingface.co/gpt2/resolve/main/config.json'), 'https://huggingface.co/gpt2/resolve/main/');
});

test('folders of other hosts, beside the page, and without their protocol', () => {
  for (const [typed, folder] of [
    ['https://example.org/models/a', 'https://example.org/models/a/'],
    ['https://example.org/models/a/model.safetensors', 'https://example.org/models/a/'],
    ['https://example.org/models/a/tokenizer.json#x', 'https://example.org/models/a/'],
    ['example.org/models/a/', 'https://example.org/models/a/'],
    ['localhost:8000/a', 'http://localhost:8000/a/'],
    ['http://127.0.0.1:8000/a', 'http://127.0.0.1:8000/a/'],
    ['/models/a', 'https://patchlab.test/models/a/'],
    ['./models/a', 'https://patchlab.test/models/a/'],
    ['models/a/', 'https://patchlab.test/models/a/'],
  ]) assert.equal(folderOf(typed), folder, typed);
});

test('what is no folder of a model is refused in words', () => {
  for (const [typed, said] of /** @type {[string, RegExp][]} */ ([
    ['ftp://example.org/', /not an http or https address/],
    ['https://', /not an address/],
    ['https://example.org/files?token=1', /has a query \(\?token=1\)/],
    ['https://huggingface.co/datasets/someone/texts', /keeps datasets there/],
    ['https://huggingface.co/spaces/someone/demo', /keeps spaces there/],
    ['https://huggingface.co/', /names no repository/],
  ])) assert.throws(() => folderOf(typed), said, typed);
});

test('names are short, and say which revision it is', () => {
  assert.equal(nameOf(MAIN), 'distilbert/distilgpt2');
  assert.equal(nameOf(folderOf('a/b@refs/pr/7')), 'a/b@refs/pr/7');
  assert.equal(nameOf(folderOf('https://huggingface.co/a/b/tree/v1/deep')), 'a/b/deep@v1');
  assert.equal(nameOf('https://example.org/models/a/'), 'example.org/models/a');
  assert.equal(hubRepository(MAIN), 'distilbert/distilgpt2');
  assert.equal(hubRepository('https://example.org/a/b/resolve/main/'), null);
});
