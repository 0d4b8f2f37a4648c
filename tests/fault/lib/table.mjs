// table.mjs – says of each case how it went, as it ends, in the lines that tests/run counts (see tests/reporter.mjs);
// and of all of them, at the end, in a table.

const COLUMNS = ['deliveries', 'acknowledged', 'stored', 'lost', 'doubled'];

export class Table {
    /** name → {times, failures, reason, sums of COLUMNS, …}; several runs of a case are one row. */
    #rows = new Map();

    skipped(name, reason) {
        this.#row(name).reason = reason;
        console.log(`ok - ${name} # SKIP ${reason}`);
    }

    ran(name, result, problems) {
        const row = this.#row(name);
        row.times++;
        row.failures += problems.length > 0;
        row.ms += result.ms;
        for (const column of COLUMNS) row[column] += result[column] ?? 0;
        row.unknown ||= result.stored === undefined; // it did not get as far as counting
        row.hurt = result.hurt;
        const counted = COLUMNS.map((column) => `${column} ${result[column] ?? '?'}`).join(', ');
        console.log(`${problems.length > 0 ? 'not ok' : 'ok'} - ${name} (${Math.round(result.ms)} ms)`);
        console.log(`# ${counted}; ${result.hurt}\n# ${result.times}`);
        for (const problem of problems) console.log(problem.replace(/^/gm, '    '));
    }

    /** True: none failed, and some passed. */
    print() {
        const width = Math.max(...[...this.#rows.keys()].map((name) => name.length));
        console.log(`\n${'case'.padEnd(width)}  ${COLUMNS.map((column) => column.padStart(14)).join('')}  result`);
        for (const [name, row] of this.#rows) {
            const counts = row.times > 0 ? COLUMNS.map((column) => text(row, column)) : COLUMNS.map(() => '-');
            console.log(
                `${name.padEnd(width)}  ${counts.map((count) => count.padStart(14)).join('')}  ${verdict(row)}`,
            );
        }
        const sum = (count) => [...this.#rows.values()].reduce((total, row) => total + count(row), 0);
        const failed = sum((row) => row.failures);
        const passed = sum((row) => row.times - row.failures);
        console.log(`\n${passed} passed, ${failed} failed, ${sum((row) => (row.reason ? 1 : 0))} skipped`);
        return failed === 0 && passed > 0;
    }

    #row(name) {
        if (!this.#rows.has(name)) {
            const zeros = Object.fromEntries(COLUMNS.map((column) => [column, 0]));
            this.#rows.set(name, {times: 0, failures: 0, ms: 0, ...zeros});
        }
        return this.#rows.get(name);
    }
}

function text(row, column) {
    return row.unknown && !['deliveries', 'acknowledged'].includes(column) ? '?' : String(row[column]);
}

function verdict({times, failures, reason, ms, hurt}) {
    if (reason) return `skipped: ${reason}`;
    const seconds = `${(ms / 1000 / times).toFixed(1)} s`;
    if (times > 1) return `${failures > 0 ? `${failures} of ${times} FAILED` : `${times} times ok`} (${seconds} each)`;
    return `${failures > 0 ? 'FAILED' : 'ok'} (${seconds}; ${hurt})`;
}
