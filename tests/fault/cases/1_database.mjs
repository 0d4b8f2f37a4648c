// 1_database.mjs – what happens to PostgreSQL while deliveries come.

import {setTimeout as sleep} from 'node:timers/promises';
import {scattered} from '../lib/calls.mjs';

/** Short, so that what PostgreSQL does not take soon goes to the journal soon. */
const DEADLINE_S = 0.4;
const LONGER_MS = 1000; // than the deadline, by far
const ROUNDS = 4;
const STEP = 24; // deliveries between two injuries

async function start(trial, env = {}) {
    const instance = trial.instance({env: {HOOKLINE_COMMIT_DEADLINE: DEADLINE_S, ...env}});
    await instance.start();
    trial.send(scattered(trial.random, trial.deliveries));
    return instance;
}

/** Injures ROUNDS times, each time under load, and heals again under load. */
async function injure(trial, hurt, heal) {
    for (let i = 0; i < ROUNDS; i++) {
        await trial.load.run(trial.between(STEP / 2, STEP));
        await hurt(i);
        await trial.load.run(trial.between(STEP / 2, STEP), 2000);
        await heal(i);
        if (i % 2 === 0) await trial.connected(); // else the next injury meets it before it has got over this one
    }
}

/** While nothing moves in PostgreSQL: longer than the deadline, and until the journal has taken some. */
async function overDeadline(trial) {
    const [goes] = await Promise.all([trial.load.run(STEP, 2 * LONGER_MS), sleep(LONGER_MS)]);
    if (!goes) trial.problem('those that wait for PostgreSQL are not answered');
}

const cases = [];
const add = (name, about, run, more = {}) => cases.push({name, about, run, ...more});

add('postgres killed', 'SIGKILL to all of PostgreSQL, which commits late by default; recovery', async (trial) => {
    await trial.database.commitLater();
    await start(trial);
    await injure(
        trial,
        async () => {
            await trial.postgres.kill();
            trial.did('kills of PostgreSQL');
        },
        () => trial.postgres.start(),
    );
    trial.mustHurt({'kills of PostgreSQL': ROUNDS, 'connections lost': ROUNDS, journaled: ROUNDS});
});

add('postgres stopped', 'fast shutdown and start, again and again', async (trial) => {
    await start(trial);
    await injure(
        trial,
        async () => {
            await trial.postgres.stop();
            trial.did('stops of PostgreSQL');
        },
        () => trial.postgres.start(),
    );
    trial.mustHurt({'stops of PostgreSQL': ROUNDS, 'connections lost': ROUNDS, journaled: ROUNDS});
});

add('postgres paused', 'SIGSTOP to all of PostgreSQL for longer than the commit deadline', async (trial) => {
    await start(trial);
    await injure(
        trial,
        async () => {
            trial.postgres.pause();
            trial.did('pauses of PostgreSQL');
            await overDeadline(trial);
        },
        () => trial.postgres.resume(),
    );
    trial.mustHurt({'pauses of PostgreSQL': ROUNDS, journaled: ROUNDS});
});

add('connections cut', 'pg_terminate_backend in the middle of batches', async (trial) => {
    await start(trial);
    const cut = async () => {
        const sql = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`;
        trial.did('connections ended', await trial.database.value(sql));
    };
    await injure(trial, cut, cut);
    trial.mustHurt({'connections ended': ROUNDS, 'connections lost': ROUNDS});
});

const SLOW = 48;
const SLOW_S = 2;
const PATIENCE_MS = 1500; // far from the deadline, and from what a slow commit takes

add('slow disk', `every ${SLOW}th event makes its commit take longer than the deadline`, async (trial) => {
    await trial.database.rows(`
        CREATE SEQUENCE slow;
        CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('slow') % ${SLOW} = 0 THEN PERFORM pg_sleep(${SLOW_S}); END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER take_long AFTER INSERT ON call_events DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION take_long()`);
    const instance = await start(trial);
    for (let i = 0; i < ROUNDS; i++) {
        await trial.load.run(SLOW);
        await instance.drain();
    }
    if (trial.load.slowest > PATIENCE_MS) trial.problem(`an answer took ${trial.load.slowest} ms`);
    trial.did('slow commits', await trial.database.value(`SELECT last_value / ${SLOW} FROM slow`));
    await trial.database.rows('DROP TRIGGER take_long ON call_events');
    trial.mustHurt({'slow commits': ROUNDS, journaled: ROUNDS});
});

const LOCKED = ['voice_calls', 'call_events', 'event_keys', 'voice_messages'];

add('table locked', 'an exclusive lock on one table after the other, longer than the deadline', async (trial) => {
    await start(trial);
    const locker = await trial.database.connect();
    trial.after(() => locker.end());
    await injure(
        trial,
        async (i) => {
            await locker.query(`BEGIN; LOCK TABLE ${LOCKED[i % LOCKED.length]} IN ACCESS EXCLUSIVE MODE`);
            trial.did('locks');
            await overDeadline(trial);
        },
        () => locker.query('ROLLBACK'),
    );
    trial.mustHurt({locks: ROUNDS, journaled: ROUNDS});
});

/** What PostgreSQL is made to refuse, in turns: the event itself, then the call that it tells of. */
const REFUSED = [
    {table: 'call_events', check: `error IS NOT NULL OR md5(event_key) NOT LIKE '%7'`},
    {table: 'voice_calls', check: `md5(provider_call_id) NOT LIKE '%3'`},
];

add(
    'content refused',
    'PostgreSQL refuses some of a batch (23514): they become dead letters, all others are stored',
    async (trial) => {
        await start(trial);
        await injure(
            trial,
            async (i) => {
                const {table, check} = REFUSED[i % REFUSED.length];
                await trial.database.rows(`ALTER TABLE ${table} ADD CONSTRAINT refused CHECK (${check}) NOT VALID`);
                trial.did('constraints');
                await trial.load.run(STEP / 2);
                if (i < 2) return; // by now also while the journal drains
                await trial.postgres.stop();
                await trial.load.run(STEP / 2, 2000);
                await trial.postgres.start();
                await trial.instances[0].drain();
            },
            (i) => trial.database.rows(`ALTER TABLE ${REFUSED[i % REFUSED.length].table} DROP CONSTRAINT refused`),
        );
        trial.mustHurt({constraints: ROUNDS, 'dead letters': 4, journaled: 2});
    },
    {allowed: {mayDie: true}},
);

export {cases};
