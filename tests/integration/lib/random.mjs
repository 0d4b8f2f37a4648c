// random.mjs – choices that are the same in every run, so that a failure can be had again.

/** A generator of numbers in [0, 1), mulberry32 (public domain, T. Ettinger). */
export function generator(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

/** A whole number from 0 to below n. */
export function below(random, n) {
    return Math.floor(random() * n);
}

export function shuffled(random, list) {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
        const j = below(random, i + 1);
        [copy[i], copy[j]] = [copy[j], copy[i]];
    }
    return copy;
}

/** All orders of a list, first the given one. */
export function* permutations(list) {
    if (list.length <= 1) yield list;
    else
        for (let i = 0; i < list.length; i++)
            for (const rest of permutations([...list.slice(0, i), ...list.slice(i + 1)])) yield [list[i], ...rest];
}

/** Runs work(item, index) for all items, `width` at a time. */
export async function inParallel(width, items, work) {
    const queue = [...items].entries();
    const worker = async () => {
        for (const [index, item] of queue) await work(item, index);
    };
    await Promise.all(Array.from({length: width}, worker));
}
