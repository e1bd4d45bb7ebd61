// The layers of the code as data: who may import whom. `npm run check` holds the code to it (scripts/check-layers.mjs).

/** Folder → the folders that it may import besides itself. Folders of one rank do not import each other. */
const MAY_IMPORT = {
  contract: [],
  lib: [],
  pg: ['lib'],
  model: ['lib', 'pg'],
  db: ['lib', 'pg', 'model'],
  engine: ['lib', 'pg', 'model'],
  control: ['lib', 'model'],
  source: ['lib', 'pg', 'model', 'db'],
  destination: ['lib', 'pg', 'model', 'db'],
  store: ['lib', 'pg', 'model', 'db'],
  api: ['lib', 'model', 'control', 'contract'],
  cli: ['lib', 'contract'],
  app: ['lib', 'pg', 'model', 'db', 'engine', 'control', 'source', 'destination', 'store', 'api', 'cli', 'contract'],
};

const TEST_FILE = '[.]test[.]ts$|^server/test/';
const IO_MODULES = '^(node:)?(net|tls|dgram|dns|fs|fs/promises|child_process|cluster|worker_threads|http|https|http2)$';

/** Holds the version that the program prints. */
const VERSION_FILE = '^server/package[.]json$';

const pathOf = (folder) => (folder === 'contract' ? '^contract/src/' : `^server/src/${folder}/`);

const layerRules = Object.entries(MAY_IMPORT).map(([folder, others]) => ({
  name: `layer-${folder}`,
  comment: `${folder}/ may import only itself and: ${others.join(', ') || 'nothing'}`,
  severity: 'error',
  from: { path: pathOf(folder), pathNot: TEST_FILE },
  to: { path: '^(server|contract|web|bench|scripts)/', pathNot: [pathOf(folder), ...others.map(pathOf), VERSION_FILE] },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'known-folders-only',
      comment: 'a new folder of server/src needs a place in the table of layers above',
      severity: 'error',
      from: { path: '^server/src/', pathNot: Object.keys(MAY_IMPORT).map(pathOf) },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'modules that import each other in a circle can only be understood together',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'pure-layers-do-no-io',
      comment: 'lib, pg, model and engine are tested without sockets, files and processes, so they must not use any',
      severity: 'error',
      from: { path: '^server/src/(lib|pg|model|engine|control)/', pathNot: TEST_FILE },
      to: { path: [IO_MODULES, '(^|/)node_modules/(pg|pg-[a-z-]+|postgres)/'] },
    },
    {
      name: 'only-db-uses-the-driver',
      comment: 'every session must have the pinned settings that db/connect.ts gives it',
      severity: 'error',
      from: { path: '^(server|contract|web)/', pathNot: ['^server/src/db/', TEST_FILE] },
      to: { path: '(^|/)node_modules/(@types/)?pg/' },
    },
    {
      name: 'web-speaks-only-contract',
      comment: 'the browser knows of the server what the contract says, and nothing more',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^(server|bench|scripts)/' },
    },
    {
      name: 'no-test-code-in-the-product',
      comment: 'tests are not shipped',
      severity: 'error',
      from: { path: '^(server|contract|web)/src/', pathNot: TEST_FILE },
      to: { path: `${TEST_FILE}|^bench/` },
    },
    {
      name: 'no-development-packages-in-the-product',
      comment: 'an installed Millrace does not have them',
      severity: 'error',
      from: { path: '^(server|contract)/src/', pathNot: TEST_FILE },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'imports-resolve',
      comment: 'an import that leads nowhere hides from every other rule',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    combinedDependencies: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
