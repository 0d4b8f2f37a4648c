// table.mjs – medians, and the one table.

export function median(numbers) {
    const sorted = [...numbers].sort((a, b) => a - b);
    const middle = Math.floor(sorted.length / 2);
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Undisturbed runs where there are any; every figure's median by itself. */
export function summarise(runs) {
    const quiet = runs.filter((run) => !run.disturbed);
    const used = quiet.length ? quiet : runs;
    const {subject, rival, load} = used[0];
    const out = {subject, rival, load, runs: used.length, disturbed: quiet.length === 0};
    for (const key of Object.keys(used[0]).filter((key) => typeof used[0][key] === 'number'))
        out[key] = median(used.map((run) => run[key]));
    out.late = used.some((run) => run.late > 0);
    return out;
}

const number = (n, digits = 0) => (n === undefined || n === null || Number.isNaN(n) ? '' : n.toFixed(digits));
const thousands = (n) =>
    Math.round(n)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, ',');

/** The best of a rival's variants under the same load. */
function bestRival(rows, rival, load) {
    return Math.max(...rows.filter((row) => row.rival === rival && row.load === load).map((row) => row.per_second));
}

const COLUMNS = [
    ['', (row) => row.subject],
    ['load', (row) => row.load],
    ['per second', (row) => thousands(row.per_second) + (row.late ? ' *' : '')],
    ['p50 ms', (row) => number(row.p50_ms, row.p50_ms < 100 ? 2 : 0)],
    ['p99 ms', (row) => number(row.p99_ms, row.p99_ms < 100 ? 2 : 0)],
    ['own', (row) => number(row.subject_cpu_us, 1)],
    ['PostgreSQL', (row) => number(row.postgres_cpu_us, 1)],
    ['generator', (row) => number(row.generator_cpu_us, 1)],
    ['RSS MB', (row) => number(row.rss_mb)],
    ['× (a)', (row, rows) => ratio(row, rows, 'a')],
    ['× (b)', (row, rows) => ratio(row, rows, 'b')],
    ['', (row) => (row.disturbed ? `disturbed: others used ${number(row.foreign_percent)} % of the machine` : '')],
];

function ratio(row, rows, rival) {
    const best = bestRival(rows, rival, row.load);
    return row.rate || row.rival || !row.connections || !Number.isFinite(best) ? '' : number(row.per_second / best, 1);
}

export function render(rows) {
    const bound = COLUMNS.map(([title, cell], i) => [
        title,
        (row) => cell(row, rows),
        i < 2 || i === COLUMNS.length - 1,
    ]);
    return renderColumns(bound, rows);
}

/** columns: [title, cell(row), is it text?] */
export function renderColumns(columns, rows) {
    const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
    const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
    const lines = cells.map((line) =>
        line
            .map((cell, i) => (columns[i][2] ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
            .join('  ')
            .trimEnd(),
    );
    lines.splice(1, 0, '-'.repeat(Math.max(...lines.map((line) => line.length))));
    return lines.join('\n');
}
