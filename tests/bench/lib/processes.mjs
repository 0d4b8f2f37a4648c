// processes.mjs – starts and stops what is measured, and reads the machine's clocks of it.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync, readdirSync} from 'node:fs';
import net from 'node:net';
import {setTimeout as sleep} from 'node:timers/promises';

const TICK_US = 10_000; // USER_HZ is 100 on every Linux that Debian makes

/** /proc/PID/stat from the third field on; null when the process is gone. */
function stat(pid) {
    try {
        const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return text.slice(text.lastIndexOf(')') + 2).split(' ');
    } catch {
        return null;
    }
}

function children() {
    const byParent = new Map();
    for (const pid of readdirSync('/proc')) {
        if (!/^[0-9]+$/.test(pid)) continue;
        const parent = stat(pid)?.[1];
        if (parent) byParent.set(parent, [...(byParent.get(parent) ?? []), pid]);
    }
    return byParent;
}

function tree(pid) {
    const byParent = children();
    const all = [String(pid)];
    for (const one of all) all.push(...(byParent.get(one) ?? []));
    return all;
}

/**
 * CPU time in microseconds of a process, its descendants that live, and those that are gone and were waited for: fields
 * utime, stime, cutime and cstime of each (proc(5)).
 */
export function cpuUs(pid) {
    let ticks = 0;
    for (const one of tree(pid)) {
        const fields = stat(one);
        if (fields) for (let i = 11; i <= 14; i++) ticks += Number(fields[i]);
    }
    return ticks * TICK_US;
}

/** Most resident memory so far, in MB, of a process and its descendants. */
export function peakMb(pid) {
    let kb = 0;
    for (const one of tree(pid)) {
        try {
            kb += Number(/VmHWM:\s+([0-9]+)/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0);
        } catch {
            // gone meanwhile
        }
    }
    return kb / 1024;
}

/** CPU time that all processors of the machine have been busy, in microseconds; what was stolen by others counts too. */
export function machineUs() {
    const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
        .split('\n')[0]
        .split(/ +/)
        .slice(1)
        .map(Number);
    return (user + nice + system + irq + softirq + steal) * TICK_US;
}

/** Starts a program that dies with this one. Its output is kept for when it ends too early. */
export function start(command, args, env, {as = ''} = {}) {
    const user = as ? [`--reuid=${as}`, `--regid=${as}`, '--init-groups'] : [];
    const child = spawn('setpriv', [...user, '--pdeathsig', 'KILL', '--', command, ...args], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk) => {
            output = (output + chunk).slice(-20_000);
        });
    const exited = once(child, 'close');
    return {
        pid: child.pid,
        exited,
        output: () => output,
        running: () => child.exitCode === null && child.signalCode === null,
        async stop() {
            if (this.running()) child.kill('SIGTERM');
            const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
            await exited;
            clearTimeout(late);
        },
    };
}

/** Runs a program to its end: its output, with every line given to onLine as it comes. Throws when it fails. */
export async function run(command, args, env, onLine = () => {}, allowed = [0]) {
    const child = spawn(command, args, {env, stdio: ['ignore', 'pipe', 'pipe']});
    let output = '',
        errors = '',
        rest = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (chunk) => {
        output += chunk;
        const lines = (rest + chunk).split('\n');
        rest = lines.pop();
        lines.forEach(onLine);
    });
    child.stderr.on('data', (chunk) => {
        errors += chunk;
    });
    const [code, signal] = await once(child, 'close');
    if (!allowed.includes(code)) throw new Error(`${command} ${args.join(' ')}: ${signal ?? code}\n${output}${errors}`);
    return output;
}

export async function freePort() {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const {port} = server.address();
    server.close();
    await once(server, 'close');
    return port;
}

export async function waitForPort(port, process_) {
    for (let i = 0; i < 600; i++) {
        if (!process_.running()) throw new Error(`it ended while starting\n${process_.output()}`);
        const socket = net.connect(port, '127.0.0.1');
        const connected = await Promise.race([
            once(socket, 'connect').then(() => true),
            once(socket, 'error').then(() => false),
        ]).catch(() => false);
        socket.destroy();
        if (connected) return;
        await sleep(50);
    }
    throw new Error(`nothing listens on port ${port}\n${process_.output()}`);
}
