// The machine-level half of twin-cc: passes that are inserted into LLVM's stock code generators.
// Everything that both ISAs must agree on is decided by the Rust side, through `TwinHost`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/CodeGen/LiveRegUnits.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetRegisterInfo.h"

extern "C" {
/// A stretch of code or a mark (compiler/src/codegen/shim.rs says what the fields mean).
struct TwinItem {
  uint32_t kind, number;
  int64_t a, b, c, d;
};

/// What a frame needs besides locals and slots, which are the same on both ISAs (compiler/src/codegen/agree.rs).
struct TwinFrame {
  /// Bytes above them, of spill slots, and below everything; whether there is a frame pointer (1 or 0).
  uint64_t above, spills, bottom, pointer;
  /// Instructions that access spill slots and slots.
  uint64_t spill_accesses, slot_accesses;
};

/// What one code generator asks the host (Rust) while it runs. A negative result means that the host has
/// given up; code generation then goes on undisturbed and its output is thrown away.
struct TwinHost {
  void *context;
  /// What this ISA needs -> what both will have.
  int64_t (*reserve)(void *context, const char *function, TwinFrame *frame);
  /// Reports the finished frame: size from CFA to SP, CFA offsets of locals and slots (0: absent).
  void (*frame)(void *context, const char *function, uint64_t size, int64_t locals, int64_t slots);
  /// Call sites in block order, blocks separated by UINT32_MAX -> the order of those that both ISAs have, in `order`
  /// (room for `calls` entries); returns their number.
  int64_t (*block_order)(void *context, const char *function, const uint32_t *sites, uint64_t length,
                         uint32_t *order, uint64_t calls);
  /// Sites of polls that this ISA needs no cold block for (room for `count` entries) -> those that neither ISA needs one for; returns
  /// their number.
  int64_t (*bare_polls)(void *context, const char *function, uint32_t *sites, uint64_t count);
  /// All code of this ISA -> the same with the padding and the length of branches that make both ISAs agree.
  int64_t (*align)(void *context, TwinItem *items, uint64_t count, const char *const *functions, uint64_t length);
  /// Writes padding that is run through (1) or not (0).
  void (*padding)(void *context, uint64_t executed, uint64_t bytes, uint8_t *out);
  /// The opposite of a conditional branch.
  uint32_t (*opposite)(void *context, uint32_t instruction);
  /// Reports a violated invariant.
  void (*violation)(void *context, const char *message);
};
}

namespace twin {

/// Names of the allocas that the IR passes leave behind (compiler/src/frame.rs).
constexpr const char *LocalsName = "twin.locals";
constexpr const char *SlotsName = "twin.slots";
/// The function that polls call (compiler/src/convention.rs).
constexpr const char *PollName = "__twin_poll_mapped";

/// The host of the code generator that runs on this thread.
extern thread_local const TwinHost *Host;

/// Common part of all machine passes of Twin.
class MachinePass : public llvm::MachineFunctionPass {
public:
  using MachineFunctionPass::MachineFunctionPass;

protected:
  void violation(const llvm::MachineFunction &MF, const std::string &What) const;
};

/// Whether `MI` is a uniform call, and then the number of its site within the function.
bool isUniformCall(const llvm::MachineInstr &MI);
uint32_t siteOf(const llvm::MachineInstr &MI);
bool hasUniformCalls(const llvm::MachineFunction &MF);
/// Folding a load into a call makes a new instruction without the label; this puts the labels back.
void restoreLabels(llvm::MachineFunction &MF);
/// Whether `MI` is the call in a poll's cold block.
bool isPollCall(const llvm::MachineInstr &MI);
/// Whether `MI` is a poll's access to the poll page.
bool isPoll(const llvm::MachineInstr &MI);
/// The block in which control goes on if `Poll` faults; null if the poll is bare: the runtime does what its call would do.
const llvm::MachineBasicBlock *coldBlock(const llvm::MachineInstr &Poll);
/// Follows which register units have been written: `MI` writes some, a call or what the runtime does for a bare poll destroys some.
void noteWritten(const llvm::MachineInstr &MI, llvm::LiveRegUnits &Units);
/// The register units that have values when the runtime has done what a bare poll's call would do; null if `Poll` has a cold block.
const llvm::BitVector *keptBy(const llvm::MachineInstr &Poll);
/// The block in which control goes on behind what the runtime does for a bare poll; null if it goes on behind the poll.
const llvm::MachineBasicBlock *resumeBlock(const llvm::MachineInstr &Poll);
/// The map of the poll whose call returns to `Label`.
const std::vector<uint16_t> &mapOf(const llvm::MCSymbol *Label);
/// Sorts blocks by their ranks, which are asked for in the present order; equals stay as they are. Tells whether any has moved.
bool sortBlocks(llvm::MachineFunction &MF, llvm::function_ref<unsigned(const llvm::MachineBasicBlock &)> Rank);
/// The operand of a call that says which registers it preserves; null for other instructions.
llvm::MachineOperand *registerMask(llvm::MachineInstr &MI);
/// Whether `MI` is a call or a jump that passes its arguments by the uniform convention. Soft-float and memory library calls use
/// the C convention.
bool hasUniformConvention(const llvm::MachineInstr &MI);
/// The instruction in the same block that is the first to read what `MI` leaves in a physical register; null if none does.
const llvm::MachineInstr *nextReader(const llvm::MachineInstr &MI, llvm::Register Register);
/// The opcode or register with this name; the headers with the numbers are not installed. This is slow, and seldom needed.
unsigned opcodeNamed(const llvm::TargetInstrInfo &TII, llvm::StringRef Name);
llvm::MCRegister registerNamed(const llvm::TargetRegisterInfo &TRI, llvm::StringRef Name);
/// Whether `MI` accesses several vectors and then has the address behind what it accessed as its first result.
bool writesBack(const llvm::MachineInstr &MI);
/// Makes it one that does not, and an addition.
void splitWriteBack(llvm::MachineInstr &MI);

// One pass a file, in the order in which they run.
llvm::MachineFunctionPass *createUnreachablePass();
llvm::MachineFunctionPass *createLabelPass();
llvm::MachineFunctionPass *createTestPass();
llvm::MachineFunctionPass *createRematerialisePass();
llvm::MachineFunctionPass *createReleasePass();
llvm::MachineFunctionPass *createShrinkPass();
llvm::MachineFunctionPass *createPlacePass();
llvm::MachineFunctionPass *createFrameReportPass();
llvm::MachineFunctionPass *createRecordPass();
llvm::MachineFunctionPass *createMapPass();
llvm::MachineFunctionPass *createFaultPass();
llvm::MachineFunctionPass *createOrderPass();
llvm::MachineFunctionPass *createDefinePass();
llvm::MachineFunctionPass *createPadPass();

} // namespace twin
