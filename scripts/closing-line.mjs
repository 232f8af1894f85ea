/** The last line of a test run, in words that any CI can read: `N passed, N failed, N skipped`. */
export default class ClosingLine {
  onTestRunEnd(modules, errors = []) {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) count.failed += 1;
      for (const test of module.children.allTests()) count[test.result().state] = (count[test.result().state] ?? 0) + 1;
    }
    process.on('exit', () => {
      process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
    });
  }
}
