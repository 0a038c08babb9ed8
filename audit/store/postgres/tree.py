"""The Merkle tree of a ledger in PostgreSQL, grown by a function of the database.

Writers of executions insert their entries without a place, each in a transaction of
its own, so that they need not wait for each other. ``integrate()`` gives the
committed ones their places, in the order of their ids, and rewrites the head row. It
runs with the rights of the owner: those who may call it may neither update an entry
nor the head. It reads nothing but the two tables, and its callers choose only how
many entries it takes and whether it waits.

It takes the tree's lock before it reads, until the caller's transaction ends; so it
works in ``READ COMMITTED`` only, where the statement after the lock sees what was
committed before. The bytes of the frontier are those of ``audit.merkle.Frontier``.

Source: docs/spec/postgres.md, PGS-2; RFC 6962 section 2.1.
"""

from typing import Final

from audit.store.postgres.lock_keys import TREE, lock_key

__all__ = ["INTEGRATE", "MAX_BATCH", "tree_functions"]

MAX_BATCH: Final = 4_096
"""The most entries that one call numbers, whatever it is asked for."""

INTEGRATE: Final = "SELECT numbered, size, root, time_us FROM integrate($1, $2)"
"""Takes the most entries to number, and whether to wait for the lock.

One row: how many were numbered, and where the tree stands then; four nulls when
somebody else is at it and waiting was not wished. Own entries that follow more than
``MAX_BATCH`` others need more calls: repeat until fewer were numbered than asked for.
"""

_ROOT: Final = """CREATE FUNCTION frontier_root(hashes bytea[]) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = {search_path} AS $$
DECLARE
    node bytea := hashes[cardinality(hashes)];
BEGIN
    FOR place IN REVERSE cardinality(hashes) - 1 .. 1 LOOP
        node := sha256('\\x01'::bytea || hashes[place] || node);
    END LOOP;
    RETURN coalesce(node, sha256(''));
END $$"""

_HASHES: Final = """CREATE FUNCTION frontier_hashes(packed bytea) RETURNS bytea[]
LANGUAGE plpgsql IMMUTABLE SET search_path = {search_path} AS $$
DECLARE
    hashes bytea[] := ARRAY[]::bytea[];
BEGIN
    FOR place IN 1 .. (octet_length(packed) - 8) / 32 LOOP
        hashes[place] := substr(packed, 32 * place - 23, 32);
    END LOOP;
    RETURN hashes;
END $$"""

_BYTES: Final = """CREATE FUNCTION frontier_bytes(size bigint, hashes bytea[])
RETURNS bytea LANGUAGE plpgsql IMMUTABLE SET search_path = {search_path} AS $$
DECLARE
    packed bytea := int8send(size);
BEGIN
    FOR place IN 1 .. bit_count(int8send(size)) LOOP
        packed := packed || hashes[place];
    END LOOP;
    RETURN packed;
END $$"""

# Plans are pinned: whatever the statistics say, the pending entries are found by their
# index, and updated where they lie.
_INTEGRATE: Final = """CREATE FUNCTION integrate(
    most integer, patient boolean,
    OUT numbered integer, OUT size bigint, OUT root bytea, OUT time_us bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = {search_path}
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    first bigint;
    packed bytea;
    hashes bytea[];
    places tid[];
    leaves bytea[];
    latest bigint;
    node bytea;
    bits bigint;
    depth integer;
    changed bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'entries are numbered in READ COMMITTED only'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF patient THEN
        PERFORM pg_advisory_xact_lock({key});
    ELSIF NOT pg_try_advisory_xact_lock({key}) THEN
        RETURN;
    END IF;

    SELECT head.size, head.frontier, head.root, head.time_us
        INTO STRICT first, packed, root, time_us FROM head;
    hashes := frontier_hashes(packed);
    IF (packed = frontier_bytes(first, hashes)) IS NOT TRUE
            OR root <> frontier_root(hashes) THEN
        RAISE EXCEPTION 'the head of the ledger is damaged'
            USING ERRCODE = 'data_corrupted';
    END IF;

    SELECT array_agg(place), array_agg(leaf_hash), max(pending.time_us)
        INTO places, leaves, latest
        FROM (SELECT ctid AS place, leaf_hash, entry.time_us FROM entry
            WHERE leaf_index IS NULL ORDER BY id
            LIMIT greatest(1, least(most, {batch}))) AS pending;
    numbered := coalesce(cardinality(places), 0);
    size := first + numbered;
    IF numbered = 0 THEN
        RETURN;
    END IF;

    depth := cardinality(hashes);
    FOR place IN 0 .. numbered - 1 LOOP
        node := leaves[place + 1];
        bits := first + place;
        WHILE bits & 1 = 1 LOOP
            node := sha256('\\x01'::bytea || hashes[depth] || node);
            depth := depth - 1;
            bits := bits >> 1;
        END LOOP;
        depth := depth + 1;
        hashes[depth] := node;
    END LOOP;

    root := frontier_root(hashes[1:depth]);
    time_us := greatest(time_us, latest);
    UPDATE entry SET leaf_index = first + numbers.number - 1
        FROM unnest(places) WITH ORDINALITY AS numbers (place, number)
        WHERE entry.ctid = numbers.place;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> numbered THEN
        RAISE EXCEPTION '% of % entries got a place', changed, numbered
            USING ERRCODE = 'data_corrupted';
    END IF;
    UPDATE head SET size = integrate.size, root = integrate.root,
        time_us = integrate.time_us,
        frontier = frontier_bytes(integrate.size, hashes[1:depth]);
END $$"""


def tree_functions(ledger_id: str, search_path: str) -> tuple[str, ...]:
    """Write the statements that make the functions, for the owner to run.

    Args:
        ledger_id: The ledger, whose lock is the tree's.
        search_path: Where names are looked up, whatever the caller's session says.
    """
    key = lock_key(ledger_id, TREE)
    return (
        *(text.format(search_path=search_path) for text in (_ROOT, _HASHES, _BYTES)),
        _INTEGRATE.format(search_path=search_path, key=key, batch=MAX_BATCH),
    )
