// What lives in registers at a poll is moved to its slots and back by a map, a word a value. compiler/shim/map.cpp writes maps, and
// says what is in them.
#include "twin.h"

// What uniform.S writes the registers to, and reads them from; by their numbers in instructions.
struct bank {
    uint64_t integers[POLL_INTEGERS];
    unsigned char vectors[POLL_VECTORS][16];
};
_Static_assert(sizeof(struct bank) == POLL_BANK, "layout.h");

typedef uint16_t word;

enum { LENGTH = 0x7fff, NAMES_VECTORS = 0x8000, SAVE = 1, RELOAD = 2, OFFSET_FOLLOWS = 63 };
enum { VECTOR = 1 << 5, NO_REGISTER = VECTOR | 3 << 6 };

struct move {
    void *slot, *register_; // or where that has been spilled
    uint32_t bytes, register_bytes, directions;
};

static const word *read_move(const word *map, struct bank *bank, char *frame, struct move *move) {
    uint32_t bits = *map++;
    uint32_t number = bits & 31, offset = bits >> 10;
    move->directions = bits >> 8 & 3;
    if ((bits & NO_REGISTER) == NO_REGISTER) {
        move->bytes = 1u << (number & 7);
        move->register_bytes = move->bytes << (number >> 3);
    } else if (bits & VECTOR) {
        move->bytes = 4u << (bits >> 6 & 3);
        move->register_ = bank->vectors[number];
        move->register_bytes = sizeof bank->vectors[number];
    } else {
        move->bytes = 1u << (bits >> 6 & 3);
        move->register_ = &bank->integers[number];
        move->register_bytes = sizeof bank->integers[number];
    }
    move->slot = frame + (offset == OFFSET_FOLLOWS ? *map++ : offset * move->bytes);
    if ((bits & NO_REGISTER) == NO_REGISTER) {
        move->register_ = frame + *map++;
    }
    return map;
}

static void copy(void *to, const void *from, uint32_t bytes) {
    switch (bytes) {
    case 1: __builtin_memcpy(to, from, 1); break;
    case 2: __builtin_memcpy(to, from, 2); break;
    case 4: __builtin_memcpy(to, from, 4); break;
    case 8: __builtin_memcpy(to, from, 8); break;
    default: __builtin_memcpy(to, from, 16);
    }
}

static void clear(volatile char *bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = 0;
    }
}

static const word *map_of(const struct poll_entry *poll) { return (const word *)(uint64_t)poll->map; }

// Whether the map of a poll names vector registers.
int __twin_poll_has_vectors(uint64_t returns_to);
__attribute__((target("general-regs-only"))) int __twin_poll_has_vectors(uint64_t returns_to) {
    return *map_of(__twin_find_poll(returns_to)) & NAMES_VECTORS;
}

// In front of a poll: `frame` is the stack pointer of the function that polls.
void __twin_poll_save(struct bank *bank, uint64_t returns_to, char *frame);
void __twin_poll_save(struct bank *bank, uint64_t returns_to, char *frame) {
    const word *map = map_of(__twin_find_poll(returns_to)), *end = map + 1 + (*map & LENGTH);
    for (map++; map < end;) {
        struct move move;
        map = read_move(map, bank, frame, &move);
        if (move.directions & SAVE) {
            copy(move.slot, move.register_, move.bytes);
        }
    }
}

// Behind it, perhaps on the other ISA; the return address becomes the one where this ISA goes on. Tells whether the map names vector
// registers.
int __twin_poll_reload(struct bank *bank, uint64_t *returns_to, char *frame);
int __twin_poll_reload(struct bank *bank, uint64_t *returns_to, char *frame) {
    const struct poll_entry *poll = __twin_find_poll(*returns_to);
    const word *map = map_of(poll), *end = map + 1 + (*map & LENGTH);
    for (map++; map < end;) {
        struct move move;
        map = read_move(map, bank, frame, &move);
        if (move.directions & RELOAD) {
            if (move.bytes < move.register_bytes) {
                clear(move.register_, move.register_bytes);
            }
            copy(move.register_, move.slot, move.bytes);
        }
    }
    *returns_to = poll->resume;
    return *map_of(poll) & NAMES_VECTORS;
}
