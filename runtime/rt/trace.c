// One JSON line a hop, on the descriptor that __TWIN_TRACE names.
//
// The side that is left fills in most of the record, the side that is reached completes it, and the side that owns
// the descriptors writes the line as soon as it runs.
#include "twin.h"

// A thread has two records, as home writes the line of a hop to its visitor when the program may be on its way back already.
static struct hop_record *record(void) { return &self.hop[self.hops & 1]; }

void __twin_trace_begin(uint64_t pc, enum isa to, enum vehicle vehicle) {
    self.hops++;
    uint64_t number = __atomic_add_fetch(&state.hops, 1, __ATOMIC_RELAXED);
    if (state.trace >= 0) {
        *record() = (struct hop_record){
            .number = number, .pc = pc, .mapped = state.bytes_mapped, .started = __twin_now(),
            .from = THIS_ISA, .to = to, .vehicle = vehicle,
        };
        record()->waited = self.requested_at ? record()->started - self.requested_at : 0;
        self.requested_at = 0;
    }
}

// The hop that began did not happen.
void __twin_trace_cancel(void) {
    self.hops--;
    __atomic_sub_fetch(&state.hops, 1, __ATOMIC_RELAXED);
}

void __twin_trace_copied(uint64_t bytes) { record()->copied = bytes; }

void __twin_trace_end(void) {
    if (state.trace >= 0) {
        record()->mapped = state.bytes_mapped - record()->mapped;
        record()->finished = __twin_now();
        record()->complete = 1;
    }
}

static const char *isa_name(uint32_t isa) { return isa == X86_64 ? "x86_64" : "aarch64"; }

static void field(struct text *line, const char *name, uint64_t value) {
    __twin_put(line, ",\"");
    __twin_put(line, name);
    __twin_put(line, "\":");
    __twin_put_number(line, value);
}

static void write_line(struct hop_record *hop) {
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
    field(&line, "waited", hop->waited);
    field(&line, "ns", hop->finished - hop->started);
    __twin_put(&line, "}\n");
    RAW(write, state.trace, bytes, line.length);
}

void __twin_trace_flush(void) {
    write_line(&self.hop[(self.hops + 1) & 1]);
    write_line(record());
}
