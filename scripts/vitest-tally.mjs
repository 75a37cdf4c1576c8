// A vitest reporter that leaves what scripts/test.mjs sums up: counts, and each skipped test with its reason.
import { writeFileSync } from 'node:fs';

export default class Tally {
  onTestRunEnd(modules, unhandledErrors) {
    const tally = { passed: 0, failed: unhandledErrors.length, skipped: [] };
    for (const module of modules) {
      // A file that could not even be loaded has no tests that could fail.
      if (module.errors().length > 0) tally.failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') tally.passed += 1;
        else if (result.state === 'skipped') {
          tally.skipped.push({ name: test.fullName, reason: result.note ?? 'no reason given' });
        } else tally.failed += 1;
      }
      for (const suite of module.children.allSuites()) tally.failed += suite.errors().length > 0 ? 1 : 0;
    }
    if (process.env.LANCE_TALLY_FILE) writeFileSync(process.env.LANCE_TALLY_FILE, JSON.stringify(tally));
  }
}
