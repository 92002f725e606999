// What the type checker does not see: circles of imports, promises that nobody waits for, dead code.

import { importX } from 'eslint-plugin-import-x';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['**/node_modules/', 'www/vendor/dist/']),
  {
    files: ['www/**/*.js', 'tests/browser/**/*.mjs'],
    plugins: { '@typescript-eslint': tseslint.plugin, 'import-x': importX },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { project: ['tsconfig.json', 'tsconfig.tests.json'], tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'import-x/no-cycle': 'error',
      'import-x/no-duplicates': 'error',
      'import-x/no-self-import': 'error',
      // A promise that is not awaited is marked with `void`; the page reports it if it fails.
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'skip'] }] }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/return-await': 'error',
      'no-async-promise-executor': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      'array-callback-return': 'error',
      'no-constant-binary-expression': 'error',
      'no-fallthrough': 'error',
      'no-implicit-coercion': 'error',
      'no-self-compare': 'error',
      'no-unreachable-loop': 'error',
      'no-unused-expressions': 'error',
      'no-useless-assignment': 'error',
      'no-useless-return': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      eqeqeq: 'error',
    },
  },
  {
    // What the worker throws crosses to the page, as an error object cannot.
    files: ['www/engine/worker.js'],
    rules: { '@typescript-eslint/only-throw-error': 'off' },
  },
  {
    // Browsers of any age read it.
    files: ['www/requirements.js'],
    rules: { 'no-var': 'off' },
  },
);
