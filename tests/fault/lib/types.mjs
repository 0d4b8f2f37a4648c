// types.mjs – times as text, so that microseconds are compared too, and counts as numbers.

import pg from 'pg';

const {INT8, TIMESTAMPTZ, TIMESTAMP, DATE} = pg.types.builtins;
const AS_TEXT = new Set([TIMESTAMPTZ, TIMESTAMP, DATE]);

export const textTimes = {
    getTypeParser: (oid, format) => {
        if (format !== 'binary' && AS_TEXT.has(oid)) return (text) => text;
        if (format !== 'binary' && oid === INT8) return Number;
        return pg.types.getTypeParser(oid, format);
    },
};
