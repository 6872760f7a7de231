/**
 * `pnpm docs:api`: the reference of all that the packages export, from its doc comments, into
 * build/api. Fails when an export has no comment, a link in a comment names nothing, or a link of a
 * page leads nowhere.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Application, LogLevel, TSConfigReader } from 'typedoc';
import { packageFolders, repositoryRoot } from '../repository.mjs';
import { brokenLinks } from './site/broken-links.mjs';

/** @returns {Map<string, string>} what is imported, by the source file that it is */
function entries() {
  return new Map(
    packageFolders().flatMap((folder) => {
      const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      return Object.entries(exports)
        .filter(([, conditions]) => typeof conditions === 'object')
        .map(([path, conditions]) => {
          const specifier = path === '.' ? name : `${name}/${path.slice(2)}`;
          return [join(folder, conditions['oxmem-source']), specifier];
        });
    }),
  );
}

/**
 * @param {Map<string, string>} specifiers
 * @param {string} out
 * @returns {Promise<string[]>} what is wrong
 */
async function makeReference(specifiers, out) {
  rmSync(out, { recursive: true, force: true });
  const app = await Application.bootstrap(
    {
      name: 'oxmem',
      entryPoints: [...specifiers.keys()],
      tsconfig: join(repositoryRoot, 'tsconfig.check.json'),
      // `pnpm typecheck` looks at them.
      skipErrorChecking: true,
      readme: 'none',
      excludePrivate: true,
      excludeInternal: true,
      disableSources: true,
      validation: { notExported: true, invalidLink: true, notDocumented: false },
      logLevel: LogLevel.Warn,
    },
    [new TSConfigReader()],
  );
  const project = await app.convert();
  if (project === undefined) return ['typedoc could not read the sources'];
  app.validate(project);
  const byPath = [...specifiers].map(([file, name]) => ({ file: sourceName(file), name }));
  /** @type {string[]} */
  const problems = [];
  for (const module of project.children ?? []) {
    const found = byPath.find(({ file }) => file === module.name);
    module.name = found?.name ?? module.name;
    for (const each of module.children ?? []) {
      if (!isDocumented(each)) problems.push(`${module.name}: ${each.name} has no doc comment`);
    }
  }
  await app.generateDocs(project, out);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) problems.push('typedoc has complained');
  return problems;
}

/**
 * @param {string} file
 * @returns {string} as typedoc calls the module of a file: from the packages' folder on
 */
function sourceName(file) {
  return relative(join(repositoryRoot, 'packages'), file).replace(/(\/index)?\.ts$/, '');
}

/** @param {import('typedoc').DeclarationReflection | import('typedoc').ReferenceReflection} export_ */
function isDocumented(export_) {
  // Exported by another entry as well, and looked at there.
  if (export_.isReference()) return true;
  return (
    export_.hasComment() || (export_.signatures ?? []).some((signature) => signature.hasComment())
  );
}

/**
 * Makes the reference.
 *
 * @param {string} folder for it; what is there goes
 * @returns {Promise<string[]>} what is wrong
 */
export async function makeApiReference(folder) {
  return [...(await makeReference(entries(), folder)), ...brokenLinks(folder)];
}

if (process.argv[1] === import.meta.filename) {
  const out = join(repositoryRoot, 'build', 'api');
  const problems = await makeApiReference(out);
  if (problems.length > 0) {
    console.error(problems.join('\n'));
    process.exitCode = 1;
  } else {
    console.log(`${out}: every export is documented, every link leads somewhere`);
  }
}
