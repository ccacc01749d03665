// A plugin of qemu-user that says of what kinds the executed instructions are. Writes a line to the file `out` when the
// program ends: all, those that do nothing (padding), reads of memory, writes. Usage: QEMU_PLUGIN=kinds.so,out=FILE
#include "qemu-plugin.h"

enum { ALL, NOTHING, READS, WRITES, KINDS };
static uint64_t counts[KINDS];
static const char *out;
static int (*is_nothing)(const unsigned char *bytes, size_t size);

// One byte, or the two-byte opcode that is for nothing else, each behind prefixes.
static int is_x86_64_nothing(const unsigned char *bytes, size_t size) {
    while (size > 1 && (*bytes == 0x66 || *bytes == 0x2e)) {
        bytes++;
        size--;
    }
    return (size == 1 && *bytes == 0x90) || (size > 2 && bytes[0] == 0x0f && bytes[1] == 0x1f);
}

static int is_aarch64_nothing(const unsigned char *bytes, size_t size) {
    return size == 4 && memcmp(bytes, "\x1f\x20\x03\xd5", 4) == 0;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    size_t size = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &counts[ALL], size);
    for (size_t i = 0; i < size; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        qemu_plugin_register_vcpu_mem_inline(instruction, QEMU_PLUGIN_MEM_R, QEMU_PLUGIN_INLINE_ADD_U64, &counts[READS], 1);
        qemu_plugin_register_vcpu_mem_inline(instruction, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_INLINE_ADD_U64, &counts[WRITES], 1);
        if (is_nothing(qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction))) {
            qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64, &counts[NOTHING], 1);
        }
    }
}

static void ended(qemu_plugin_id_t id, void *unused) {
    (void)id, (void)unused;
    FILE *file = fopen(out, "w");
    int failed = !file;
    for (int kind = 0; kind < KINDS && !failed; kind++) {
        failed = fprintf(file, "%" PRIu64 "%c", counts[kind], kind + 1 < KINDS ? ' ' : '\n') < 0;
    }
    if (failed || fclose(file)) {
        perror(out);
        abort();
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info, int argc, char **argv) {
    if (argc != 1 || strncmp(argv[0], "out=", 4)) {
        fputs("kinds: the argument is out=FILE\n", stderr);
        return -1;
    }
    out = strdup(argv[0] + 4);
    is_nothing = strcmp(info->target_name, "aarch64") == 0 ? is_aarch64_nothing : is_x86_64_nothing;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
