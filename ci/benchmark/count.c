// A plugin of qemu-user that counts the instructions that the program executes, and writes the number to the file
// `out` when the program ends. Usage: QEMU_PLUGIN=count.so,out=FILE[,poll=ADDRESS] qemu-aarch64 PROGRAM
//
// With the address of the first poll page (x86-64 only), lines follow that say how far polls are apart: a line
// for each class of distances, "NUMBER SUM LARGEST" in instructions, a tenth or so wide. What is executed before the
// first poll and after the last one is in none.
#include "qemu-plugin.h"

// Classes of distances: the position of the highest bit, and the three bits below it.
enum { FRACTION_BITS = 3, CLASSES = 64 << FRACTION_BITS };

static uint64_t count;
static const char *out;

static uint64_t poll_page; // the first one's address, or 0
static uint64_t last_poll; // the count at that time, or 0

static struct {
    uint64_t number, sum, largest;
} distances[CLASSES];

// Counts are those of the block's start: exact to a block.
static void polled(unsigned vcpu, void *unused) {
    (void)vcpu, (void)unused;
    if (last_poll && count > last_poll) {
        uint64_t distance = count - last_poll;
        int high = 63 - __builtin_clzl(distance);
        int fraction = high < FRACTION_BITS ? 0 : (int)(distance >> (high - FRACTION_BITS) & ((1 << FRACTION_BITS) - 1));
        int class = high << FRACTION_BITS | fraction;
        distances[class].number++;
        distances[class].sum += distance;
        distances[class].largest = distance > distances[class].largest ? distance : distances[class].largest;
    }
    last_poll = count;
}

// Whether an x86-64 instruction is `test %esp, PAGE(%rip)`. There is a page for each MiB of code.
static int is_poll(const struct qemu_plugin_insn *instruction) {
    static const unsigned char opcode[] = {0x85, 0x25};
    const uint64_t spacing = 1 << 20;
    int32_t displacement;
    const unsigned char *bytes = qemu_plugin_insn_data(instruction);
    if (qemu_plugin_insn_size(instruction) != sizeof opcode + sizeof displacement || memcmp(bytes, opcode, sizeof opcode)) {
        return 0;
    }
    memcpy(&displacement, bytes + sizeof opcode, sizeof displacement);
    uint64_t end = qemu_plugin_insn_vaddr(instruction) + sizeof opcode + sizeof displacement;
    return (end + (uint64_t)(int64_t)displacement - poll_page) % spacing == 0;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    size_t size = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &count, size);
    for (size_t i = 0; poll_page && i < size; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        if (is_poll(instruction)) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, polled, QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
    }
}

static void ended(qemu_plugin_id_t id, void *unused) {
    (void)id, (void)unused;
    FILE *file = fopen(out, "w");
    int failed = !file || fprintf(file, "%" PRIu64 "\n", count) < 0;
    for (int i = 0; i < CLASSES && !failed; i++) {
        if (distances[i].number) {
            failed = fprintf(file, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", distances[i].number, distances[i].sum,
                             distances[i].largest) < 0;
        }
    }
    if (failed || fclose(file)) {
        perror(out);
        abort();
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = strdup(argv[i] + 4);
        } else if (strncmp(argv[i], "poll=", 5) == 0) {
            poll_page = strtoull(argv[i] + 5, NULL, 0);
        }
    }
    if (!out) {
        fputs("count: the arguments are out=FILE and poll=ADDRESS\n", stderr);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
