// xml.mjs – a strict reader of the XML that TwiML is: elements, attributes, text, comments, the five entities and
// character references. No DOCTYPE, no CDATA, no namespaces. What is not well-formed throws, saying where.
//
//     parseXml('<a b="c">d</a>') → {name: 'a', attributes: {b: 'c'}, children: ['d']}

const ENTITIES = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'"};
const NAME = /[A-Za-z_:][-A-Za-z0-9._:]*/y;
const SPACE = /[ \t\r\n]+/y;
const DECLARATION = /<\?xml version="1\.[0-9]"( encoding="(UTF|utf)-8")?( standalone="(yes|no)")?\s*\?>/y;
// eslint-disable-next-line no-control-regex
const NO_CHARACTER = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

class Reader {
    at = 0;

    constructor(text) {
        this.text = text;
    }

    fail(why) {
        throw new Error(`not well-formed at ${this.at}: ${why}`);
    }

    /** What the pattern (sticky) matches here, or undefined. */
    take(pattern) {
        pattern.lastIndex = this.at;
        const found = pattern.exec(this.text);
        if (!found) return undefined;
        this.at += found[0].length;
        return found[0];
    }

    starts(word) {
        return this.text.startsWith(word, this.at);
    }

    expect(word) {
        if (!this.starts(word)) this.fail(`${word} is expected`);
        this.at += word.length;
    }

    unescape(text) {
        if (/&(?![^;&<]*;)/.test(text)) this.fail('a bare &');
        return text.replace(/&([^;]*);/g, (_, name) => {
            if (Object.hasOwn(ENTITIES, name)) return ENTITIES[name];
            const code = /^#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}))$/.exec(name);
            if (!code) this.fail(`an unknown entity &${name};`);
            const point = code[1] ? parseInt(code[1], 16) : Number(code[2]);
            if (point > 0x10ffff || NO_CHARACTER.test(String.fromCodePoint(point)))
                this.fail(`&${name}; is no character`);
            return String.fromCodePoint(point);
        });
    }

    comment() {
        const end = this.text.indexOf('--', this.at + 4);
        if (end < 0 || this.text[end + 2] !== '>') this.fail('a comment that does not end, or has -- in it');
        this.at = end + 3;
    }

    /** Blanks and comments: what may stand around the root. */
    misc() {
        while (this.take(SPACE) || this.starts('<!--')) if (this.starts('<!--')) this.comment();
    }

    attributes() {
        const found = {};
        for (;;) {
            const space = this.take(SPACE);
            const name = this.take(NAME);
            if (!name) return found;
            if (!space) this.fail('a blank is missing between attributes');
            if (Object.hasOwn(found, name)) this.fail(`the attribute ${name} is there twice`);
            this.expect('=');
            const quote = this.text[this.at];
            if (quote !== '"' && quote !== "'") this.fail('an attribute without quotes');
            const end = this.text.indexOf(quote, this.at + 1);
            if (end < 0) this.fail('an attribute that does not end');
            const value = this.text.slice(this.at + 1, end);
            if (value.includes('<')) this.fail('< in an attribute');
            found[name] = this.unescape(value.replace(/[\t\r\n]/g, ' '));
            this.at = end + 1;
        }
    }

    element() {
        this.expect('<');
        const name = this.take(NAME) ?? this.fail('a name is expected');
        const element = {name, attributes: this.attributes(), children: []};
        if (this.starts('/>')) {
            this.at += 2;
            return element;
        }
        this.expect('>');
        while (!this.starts('</')) this.child(element);
        this.at += 2;
        const closed = this.take(NAME);
        if (closed !== name) this.fail(`</${closed}> closes <${name}>`);
        this.take(SPACE);
        this.expect('>');
        return element;
    }

    child(element) {
        if (this.at >= this.text.length) this.fail(`<${element.name}> does not end`);
        if (this.starts('<!--')) return this.comment();
        if (this.starts('<')) return element.children.push(this.element());
        const end = this.text.indexOf('<', this.at);
        const text = this.text.slice(this.at, end < 0 ? undefined : end);
        if (text.includes(']]>')) this.fail(']]> in text');
        element.children.push(this.unescape(text));
        this.at += text.length;
    }
}

export function parseXml(text) {
    const reader = new Reader(text);
    if (NO_CHARACTER.test(text)) reader.fail('a control character');
    reader.take(DECLARATION);
    reader.misc();
    const root = reader.element();
    reader.misc();
    if (reader.at !== text.length) reader.fail('something after the root');
    return root;
}

export const textOf = (element) => element.children.filter((child) => typeof child === 'string').join('');
export const elementsOf = (element) => element.children.filter((child) => typeof child !== 'string');
