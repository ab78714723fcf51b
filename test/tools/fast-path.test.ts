import { expect, test } from 'vitest';
import { type Block, blocksOf, loopsOf } from '../../tools/blocks.js';
import { fastPath, type Walk } from '../../tools/fast-path.js';
import { parseInstructions } from '../../tools/sass.js';
import { machineCode } from './machine-code.js';

const LOAD = 'LDG.E.128 R4, desc[UR4][R2.64]';
const STORE = 'STG.E.128 desc[UR4][R2.64], R4';
const COPY = 'LDGSTS.E.BYPASS.128 [R6], desc[UR4][R2.64]';
const READ = 'LDS.128 R4, [R6]';
const ADD = 'FADD R4, R4, R5';

const blocks = (text: string): Block[] => blocksOf(parseInstructions(machineCode(text)));
const simple: Walk = { rounds: false, reads: 1, writes: 1 };
const path = (text: string, walk: Partial<Walk> = {}) => fastPath(blocks(text), { ...simple, ...walk });

test('a block begins where something jumps to, and ends where something jumps', () => {
  const found = blocks(`
    MOV R0, R1
    @P0 EXIT
    @!P1 BRA there
    BRA P2, there
    BRA.U UP0, there
    BRA.DIV UR4, there
    BSSY B0, there
    BRA there
    MOV R3, R4
    there:
    EXIT
  `);
  expect(found.map(({ instructions, next }) => [instructions.length, next])).toEqual([
    [2, [1]], // an EXIT of some threads: the others go on
    [1, [2, 7]],
    [1, [3, 7]],
    [1, [4, 7]],
    [1, [5]], // threads that have come apart
    [2, [7]], // BSSY only says where they come together
    [1, [7]],
    [1, []],
  ]);
});

test('finds the loops, also one whose slow part lies behind the end of the kernel', () => {
  const found = blocks(`
    MOV R0, R1
    outer:
    MOV R0, R1
    inner:
    @P1 BRA slow
    back:
    @P0 BRA inner
    @P0 BRA outer
    EXIT
    slow:
    BRA back
  `);
  expect(loopsOf(found).map(({ head, blocks: inside }) => [head, [...inside].sort()])).toEqual([
    [2, [2, 3, 6]],
    [1, [1, 2, 3, 4, 6]],
  ]);
});

test('a kernel counts from its entry to its end, past what is done a slot at a time', () => {
  const { instructions, bytes } = path(`
    S2R R0, SR_TID.X
    @P0 EXIT
    @P1 BRA narrow
    ${LOAD}
    BRA loaded
    narrow:
    LDG.E.U16 R4, desc[UR4][R2.64]
    LDG.E.U16 R5, desc[UR4][R2.64]
    loaded:
    ${ADD}
    @P1 BRA rest
    ${STORE}
    EXIT
    rest:
    STG.E.U16 desc[UR4][R2.64], R4
    EXIT
  `);
  expect(instructions).toBe(9);
  expect(bytes).toEqual({ load: 16, copy: 0, read: 0, store: 16 });
});

test('a call that ends a kernel does not hide its end, and a function is no part of the path', () => {
  const { instructions } = path(`
    loop:
    ${LOAD}
    @P1 CALL.REL.NOINC function
    ${STORE}
    @P0 CALL.REL.NOINC end
    BRA loop
    end:
    EXIT
    function:
    ${LOAD}
    RET.REL.NODEC R20 0x0
  `);
  expect(instructions).toBe(5);
});

test('of ways with the same accesses the one without double is taken, though it is longer', () => {
  const { instructions } = path(`
    ${LOAD}
    @P0 BRA double
    ${ADD}
    ${ADD}
    ${ADD}
    BRA done
    double:
    DADD R4, R4, R6
    done:
    ${STORE}
    EXIT
  `);
  expect(instructions).toBe(8);
});

test('no slot is left out of the sums, and nothing is done that computes nothing', () => {
  const { instructions } = path(`
    ${LOAD}
    @P0 BRA summed
    ${ADD}
    ${ADD}
    summed:
    @P1 BRA placed
    IMAD.WIDE.U32 R2, R2, R3, R4
    placed:
    ${STORE}
    EXIT
  `);
  expect(instructions).toBe(7);
});

const ROUNDS = `
    MOV R0, R1
    loop:
    ${LOAD}
    ${LOAD}
    ${ADD}
    ${STORE}
    @P0 BRA loop
    STG.E desc[UR4][R2.64], R4
    EXIT
`;

test('of a kernel that goes round, a round counts', () => {
  expect(path(ROUNDS, { rounds: true }).instructions).toBe(5);
  expect(path(ROUNDS).instructions).toBe(8);
  expect(() => path(`${LOAD}\n${STORE}\nEXIT`, { rounds: true })).toThrow('no loop stores');
});

test('loops over the slots of a row count for all of them, and the rest beside them for none', () => {
  const { instructions, bytes } = path(
    `
    ahead:
    ${COPY}
    @P0 BRA ahead
    row:
    MOV R0, R1
    fetch:
    @P1 BRA ragged
    ${COPY}
    BRA fetched
    ragged:
    LDG.E.128 R4, desc[UR4][R2.64]
    STS.128 [R6], R4
    fetched:
    @P0 BRA fetch
    sums:
    ${READ}
    ${ADD}
    ${READ}
    ${ADD}
    @P0 BRA sums
    @P2 BRA summed
    ${READ}
    ${ADD}
    summed:
    SHFL.BFLY PT, R5, R4, 0x10, 0x1f
    out:
    ${READ}
    ${ADD}
    ${STORE}
    @P0 BRA out
    @P0 BRA row
    EXIT
  `,
    { rounds: true, slots: 6 },
  );
  // MOV, fetch 6 x 4, sums 6 / 2 x 5, the branch around the rest, SHFL, out 6 x 4, the branch back.
  expect(instructions).toBe(1 + 24 + 15 + 1 + 1 + 24 + 1);
  expect(bytes).toEqual({ load: 0, copy: 96, read: 192, store: 96 });
});
