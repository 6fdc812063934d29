#!/usr/bin/env python3
"""Exhaustive model of the crash protocol: three parts of two sectors, three crashes deep.

The disk is pessimistic: of what was not synced any subset of sector writes and directory operations
persists; a sector that was being written may come back as garbage, a checkpoint sector also as what
an older session's checkpoint held there (block reuse), which damages all slots at once. Inode
numbers are used again as soon as nothing can bring the old file back.

Variants: the protocol alone; a writer of the last part beside the committer of the first two, in
every order; the object replaced between two runs and during one; the checkpoint in another
directory, with an empty lock file beside the destination. Each must show no violation, and in each
the broken protocols must be caught.

The same is done with the real code by `cargo test -p ossget --test crash_model`. This model is
independent of it: it says what the protocol is, in 150 lines.
"""
import collections
import itertools
import sys
import time

PARTS, SECTORS = 3, 2
ALL = PARTS * SECTORS
DEPTH = 3
# After fewer crashes than this the writer's orders are tried; --full takes some minutes.
ORDERED = 2 if '--full' in sys.argv else 1
OLD = tuple(('old', i) for i in range(ALL))


def want(version, sector):
    return (version, sector)


def whole(version):
    return tuple(want(version, i) for i in range(ALL))


class Disk:
    """What is durable, what programs see, and what is on its way."""

    def __init__(self, files=None, names=None):
        self.durable = {i: dict(f) for i, f in (files or {1: dict(enumerate(OLD))}).items()}
        self.seen = {i: dict(f) for i, f in self.durable.items()}
        self.names = {d: dict(n) for d, n in (names or {'dir': {'dest': 1}, 'ckdir': {}}).items()}
        self.seen_names = {d: dict(n) for d, n in self.names.items()}
        self.pending = []

    def create(self, where, name):
        named = list(self.names.values()) + list(self.seen_names.values())
        used = {inode for names in named for inode in names.values()}
        used |= {p[2][-1] for p in self.pending if p[0] == 'name' and p[2][0] != 'unlink'}
        inode = next(i for i in itertools.count(1) if i not in used)
        self.seen[inode], self.durable[inode] = {}, {}
        self.pending = [p for p in self.pending if not (p[0] == 'write' and p[1] == inode)]
        self.change(where, ('link', name, inode))
        return inode

    def change(self, where, op):
        apply(self.seen_names[where], op)
        self.pending.append(('name', where, op))

    def write(self, inode, sector, value):
        self.seen[inode][sector] = value
        self.pending.append(('write', inode, sector, value))

    def begin_sync(self, inode):
        """What a sync that begins now covers."""
        return [p for p in self.pending if p[0] == 'write' and p[1] == inode]

    def end_sync(self, covered):
        for p in covered:
            self.durable[p[1]][p[2]] = p[3]
            self.pending.remove(p)

    def sync(self, inode):
        self.end_sync(self.begin_sync(inode))

    def sync_names(self, where):
        for p in [p for p in self.pending if p[0] == 'name' and p[1] == where]:
            apply(self.names[where], p[2])
            self.pending.remove(p)

    def crashes(self):
        """Every state that a power cut can leave."""
        fates = []
        for p in self.pending:
            if p[0] == 'name' or p[2] == 'size':
                fates.append('LK')
            else:
                fates.append('LKGS' if is_checkpoint_sector(p[2]) else 'LKG')
        for chosen in itertools.product(*fates):
            files = {i: dict(f) for i, f in self.durable.items()}
            names = {d: dict(n) for d, n in self.names.items()}
            for p, fate in zip(self.pending, chosen):
                if fate == 'L':
                    continue
                if p[0] == 'name':
                    apply(names[p[1]], p[2])
                    continue
                _, inode, sector, value = p
                files[inode][sector] = value if fate == 'K' else stale(sector) if fate == 'S' else ('garbage',)
                if fate in 'GS' and isinstance(sector, tuple):
                    for part in range(PARTS):
                        files[inode]['slot', part] = stale(('slot', part)) if fate == 'S' else ('garbage',)
            yield files, names


def apply(names, op):
    if op[0] == 'link':
        names[op[1]] = op[2]
    elif op[0] == 'unlink':
        names.pop(op[1], None)
    else:
        names.pop(op[1], None)
        names[op[2]] = op[3]


def is_checkpoint_sector(sector):
    return isinstance(sector, tuple) or sector in ('header', 'bind')


def stale(sector):
    """What the sector held in an older session's checkpoint, whose partial file had inode 3."""
    if isinstance(sector, tuple):
        return ('slot', 'S-old', sector[1])
    return {'header': ('header', 'S-old', 'temp-S-old', 'new'), 'bind': ('bind', 'S-old', 3)}[sector]


def checkpoint_dir(variant):
    return 'ckdir' if variant == 'elsewhere' else 'dir'


def read_checkpoint(files, names, variant, mutant):
    """Header, bind inode and the parts with a valid slot, of what a run finds."""
    inode = names[checkpoint_dir(variant)].get('ck')
    if inode is None:
        return None, None, set()
    header = files[inode].get('header')
    if not (isinstance(header, tuple) and header[0] == 'header'):
        return None, None, set()
    mine = lambda v: mutant == 'no_session_key' or v[1] == header[1]
    bind = files[inode].get('bind')
    bound = bind[2] if isinstance(bind, tuple) and bind[0] == 'bind' and mine(bind) else None
    slots = {p for p in range(PARTS) for v in [files[inode].get(('slot', p))]
             if isinstance(v, tuple) and v[0] == 'slot' and v[2] == p and mine(v)}
    return header, bound, slots


def run(disk, session, mutant, variant, plan, told):
    """One process: go on or begin, fetch, publish. Yields after every step."""
    version, change, order = plan
    home = checkpoint_dir(variant)
    if variant == 'elsewhere' and 'lock' not in disk.seen_names['dir']:
        disk.create('dir', 'lock')
        yield
    header, bound, slots = read_checkpoint(disk.seen, disk.seen_names, variant, mutant)
    checkpoint = disk.seen_names[home].get('ck')
    if checkpoint is None:
        checkpoint = disk.create(home, 'ck')
        yield
    partial, done, name = None, set(), None
    names = disk.seen_names['dir']
    if header:
        name = header[2]
        if bound is not None and names.get('dest') == bound and header[3] == version \
                and tuple(disk.seen[bound].get(i) for i in range(ALL)) == whole(version):
            disk.sync(bound); disk.sync_names('dir'); yield
            told[:] = [version]; yield
            yield from clean_up(disk, variant)
            return
        if header[3] == version and bound is not None and names.get(name) == bound:
            partial, done, session = bound, slots, header[1]
    while True:
        if partial is None:
            if name is not None:
                disk.change('dir', ('unlink', name)); yield
                if mutant != 'unlink_unsynced':
                    disk.sync_names('dir'); yield
            name = 'temp-' + session
            for part in range(PARTS):
                if disk.seen[checkpoint].get(('slot', part)) is not None:
                    disk.write(checkpoint, ('slot', part), None)
            disk.write(checkpoint, 'bind', None)
            disk.write(checkpoint, 'header', ('header', session, name, version)); yield
            if mutant != 'header_unsynced':
                disk.sync(checkpoint)
                if mutant != 'header_name_unsynced':
                    disk.sync_names(home)
                yield
            partial = disk.create('dir', name); yield
            disk.write(partial, 'size', ALL); disk.sync(partial); yield
            disk.sync_names('dir'); yield
            disk.write(checkpoint, 'bind', ('bind', session, partial)); yield
            disk.sync(checkpoint); yield
        todo = [p for p in (2, 0, 1) if p not in done]
        if change is not None and change < len(todo):
            # The object is replaced when so many parts are there: nothing of it may be kept.
            yield from fetch(disk, (partial, checkpoint, session, version), todo[:change], mutant, None)
            version, change, partial, done, session = 'newer', None, None, set(), session + "'"
            continue
        break
    yield from fetch(disk, (partial, checkpoint, session, version), todo, mutant, order)
    if mutant != 'no_data_sync':
        disk.sync(partial); yield
    disk.change('dir', ('rename', name, 'dest', partial)); yield
    if mutant != 'rename_unsynced':
        disk.sync_names('dir'); yield
    told[:] = [version]; yield
    yield from clean_up(disk, variant)


def clean_up(disk, variant):
    disk.change(checkpoint_dir(variant), ('unlink', 'ck')); yield
    if variant == 'elsewhere':
        disk.change('dir', ('unlink', 'lock')); yield


def fetch(disk, files, todo, mutant, order):
    """Fetches parts in groups of two. With an order the last one is written beside the commit of
    those before it: its two sectors go to the disk before the steps that the order names."""
    partial, checkpoint, session, version = files
    groups = [g for g in (todo[:2], todo[2:]) if g]
    if order is not None and len(todo) > 1:
        groups = [todo[:-1], todo[-1:]]
    beside = []
    for at, group in enumerate(groups):
        for part in group if not (at and order is not None) else []:
            for k in range(SECTORS):
                disk.write(partial, part * SECTORS + k, want(version, part * SECTORS + k)); yield
        if order is not None and at == 0 and len(groups) > 1:
            part = groups[1][0]
            beside = [(when, part * SECTORS + k) for k, when in enumerate(order)]
        late = set(groups[1]) if mutant == 'late_snapshot' and beside and at == 0 else set()
        for step in commit(disk, files, group, late, mutant):
            while beside and beside[0][0] <= step:
                sector = beside.pop(0)[1]
                disk.write(partial, sector, want(version, sector)); yield
            yield step
        while beside:
            sector = beside.pop(0)[1]
            disk.write(partial, sector, want(version, sector)); yield


def commit(disk, files, group, late, mutant):
    """Snapshot, sync, slots, sync. Yields the number of the step before it is made, from 0."""
    partial, checkpoint, session, _ = files
    steps = iter(range(100))
    slots = [('slot', p) for p in group]
    if mutant == 'slot_early':
        for slot in slots:
            yield next(steps)
            disk.write(checkpoint, slot, ('slot', session, slot[1]))
    yield next(steps)
    covered = disk.begin_sync(partial)
    yield next(steps)
    if mutant != 'no_data_sync':
        disk.end_sync(covered)
    if late:
        # What came while the sync ran is taken for covered by it.
        slots += [('slot', p) for p in late if all(p * SECTORS + k in disk.seen[partial] for k in range(SECTORS))]
    if mutant != 'slot_early':
        for slot in slots:
            yield next(steps)
            disk.write(checkpoint, slot, ('slot', session, slot[1]))
    yield next(steps)
    disk.sync(checkpoint)
    yield next(steps)


def content(files, inode):
    return tuple(files.get(inode, {}).get(i, ('zero',)) for i in range(ALL))


def violations(files, names, told, variant, mutant):
    found = []
    dest = content(files, names['dir']['dest']) if 'dest' in names['dir'] else None
    if dest not in (OLD, whole('new'), whole('newer')):
        found.append('wrong bytes at the destination')
    elif told and dest == OLD or told == ['newer'] and dest != whole('newer'):
        found.append('a reported success is lost')
    header, bound, slots = read_checkpoint(files, names, variant, mutant)
    for name in names['dir']:
        if name.startswith('temp') and not (header and header[2] == name):
            found.append('a partial file is forgotten')
    if header and bound is not None and names['dir'].get(header[2]) == bound:
        there = content(files, bound)
        for part in slots:
            sectors = range(part * SECTORS, (part + 1) * SECTORS)
            if any(there[i] != want(header[3], i) for i in sectors):
                found.append('a slot lies')
    return found


def key(files, names, told, version):
    named = {i for n in names.values() for i in n.values()}
    kept = tuple(sorted((i, tuple(sorted(files[i].items(), key=repr))) for i in named if i in files))
    return kept, tuple((d, tuple(sorted(n.items()))) for d, n in sorted(names.items())), tuple(told), version


def plans(variant, version, depth):
    """(version, change after so many parts, order of the writer beside the committer)"""
    yield version, None, None
    if variant == 'writer' and depth < ORDERED:
        for order in itertools.combinations_with_replacement(range(6), 2):
            yield version, None, order
    if variant == 'change' and version == 'new':
        yield 'newer', None, None
        for after in range(PARTS):
            yield 'new', after, None


def explore(variant, mutant):
    start = Disk()
    frontier = [(start.durable, start.names, [], 'new')]
    seen, states, runs, finished, broken = set(), 0, 0, 0, collections.Counter()
    for depth in range(DEPTH):
        following = []
        for files, names, told, version in frontier:
            for plan in plans(variant, version, depth):
                disk, said, runs = Disk(files, names), list(told), runs + 1
                now = 'newer' if plan[1] is not None else plan[0]
                checked = None
                for _ in run(disk, 'S%d' % (depth + 1), mutant, variant, plan, said):
                    state = (tuple(map(repr, disk.pending)), tuple(said))
                    if state == checked:
                        continue
                    checked = state
                    for files2, names2 in disk.crashes():
                        states += 1
                        k = key(files2, names2, said, now)
                        if k in seen:
                            continue
                        seen.add(k)
                        broken.update(violations(files2, names2, said, variant, mutant))
                        following.append((files2, names2, list(said), now))
                    if mutant and sum(broken.values()) > 20:
                        return states, runs, finished, len(seen), broken
                dest = disk.seen_names['dir'].get('dest')
                litter = [n for n in disk.seen_names['dir'] if n != 'dest'] + list(disk.seen_names['ckdir'])
                right = content(disk.seen, dest) == whole(said[0]) if said else False
                finished += right and not litter
        frontier = following
    return states, runs, finished, len(seen), broken


MUTANTS = ['no_data_sync', 'slot_early', 'rename_unsynced', 'header_unsynced', 'header_name_unsynced',
           'no_session_key', 'unlink_unsynced']


def main():
    failed = False
    for variant in ['protocol', 'writer', 'change', 'elsewhere']:
        late = ['late_snapshot'] if variant == 'writer' else []
        for mutant in [None] + MUTANTS + late:
            begun = time.time()
            states, runs, finished, distinct, broken = explore(variant, mutant)
            what = ', '.join('%s: %d' % item for item in broken.items()) or '0 violations'
            print('%-10s %-20s runs %5d finished %5d crash states %8d distinct %6d %s (%.1f s)' % (
                variant, mutant or '-', runs, finished, states, distinct, what, time.time() - begun))
            sys.stdout.flush()
            failed |= bool(broken) != bool(mutant) or (mutant is None and finished != runs)
    sys.exit(failed)


if __name__ == '__main__':
    main()
