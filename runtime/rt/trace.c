// One JSON line a hop, on the descriptor that __TWIN_TRACE names.
//
// The side that is left fills in most of the record, the side that is reached completes it, and the side that owns
// the descriptors writes the line as soon as it runs.
#include "twin.h"

void __twin_trace_begin(uint64_t pc, enum isa to, enum vehicle vehicle) {
    struct hop_record *hop = &state.hop;
    hop->number = ++state.hops;
    hop->pc = pc;
    hop->copied = 0;
    hop->mapped = state.bytes_mapped;
    hop->started = __twin_now();
    hop->from = THIS_ISA;
    hop->to = to;
    hop->vehicle = vehicle;
}

static const char *isa_name(uint32_t isa) { return isa == X86_64 ? "x86_64" : "aarch64"; }

static void field(struct text *line, const char *name, uint64_t value) {
    __twin_put(line, ",\"");
    __twin_put(line, name);
    __twin_put(line, "\":");
    __twin_put_number(line, value);
}

void __twin_trace_flush(void) {
    struct hop_record *hop = &state.hop;
    if (!hop->complete) {
        return;
    }
    hop->complete = 0;
    char bytes[320];
    struct text line = {0, bytes, sizeof bytes};
    __twin_put(&line, "{\"n\":");
    __twin_put_number(&line, hop->number);
    field(&line, "pid", (uint64_t)state.pid);
    __twin_put(&line, ",\"from\":\"");
    __twin_put(&line, isa_name(hop->from));
    __twin_put(&line, "\",\"to\":\"");
    __twin_put(&line, isa_name(hop->to));
    __twin_put(&line, hop->vehicle == PAIR ? "\",\"vehicle\":\"pair\"" : "\",\"vehicle\":\"exec\"");
    field(&line, "pc", hop->pc);
    field(&line, "copied", hop->copied);
    field(&line, "mapped", hop->mapped);
    field(&line, "ns", hop->finished - hop->started);
    __twin_put(&line, "}\n");
    RAW(write, state.trace, bytes, line.length);
}
