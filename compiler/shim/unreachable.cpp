// Branches to where nothing is, such as the default of a switch that has none. LLVM keeps some, and lays the empty block in front
// of any other one: the code then seems to run into it with registers and slots that it never wrote there, on one ISA alone.
#include "shim.h"

#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineJumpTableInfo.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"

using namespace llvm;

namespace {

struct Unreachable : twin::MachinePass {
  static char ID;
  Unreachable() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: no branches to where nothing is"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    SmallVector<MachineBasicBlock *, 4> Empty;
    for (MachineBasicBlock &MBB : MF)
      if (isEmpty(MBB))
        Empty.push_back(&MBB);
    bool Changed = false;
    while (!Empty.empty()) {
      MachineBasicBlock &Target = *Empty.pop_back_val();
      for (MachineBasicBlock *MBB : SmallVector<MachineBasicBlock *, 4>(Target.predecessors()))
        if (avoid(*MBB, Target)) {
          Changed = true;
          if (isEmpty(*MBB))
            Empty.push_back(MBB);
        }
    }
    return Changed;
  }

private:
  static bool isEmpty(const MachineBasicBlock &MBB) {
    return MBB.succ_empty() && !MBB.pred_empty() && MBB.getFirstNonDebugInstr() == MBB.end() && !MBB.hasAddressTaken();
  }

  // Makes `MBB` go only where else it goes, if that can be told.
  static bool avoid(MachineBasicBlock &MBB, MachineBasicBlock &Target) {
    const TargetInstrInfo &TII = *MBB.getParent()->getSubtarget().getInstrInfo();
    MachineBasicBlock *Then = nullptr, *Else = nullptr;
    SmallVector<MachineOperand, 4> Condition;
    if (!TII.analyzeBranch(MBB, Then, Else, Condition)) {
      DebugLoc Location = MBB.findBranchDebugLoc();
      auto Other = find_if(MBB.successors(), [&](const MachineBasicBlock *Successor) { return Successor != &Target; });
      TII.removeBranch(MBB);
      if (Other != MBB.succ_end() && !MBB.isLayoutSuccessor(*Other))
        TII.insertBranch(MBB, *Other, nullptr, {}, Location);
    } else if (!avoidInTable(MBB, Target)) {
      return false;
    }
    MBB.removeSuccessor(&Target, /*NormalizeSuccProbs=*/true);
    return true;
  }

  // Gives the holes of a jump table any other of its targets.
  static bool avoidInTable(MachineBasicBlock &MBB, MachineBasicBlock &Target) {
    for (const MachineInstr &MI : MBB)
      for (const MachineOperand &Op : MI.operands())
        if (Op.isJTI()) {
          MachineJumpTableInfo &Tables = *MBB.getParent()->getJumpTableInfo();
          const std::vector<MachineBasicBlock *> &Targets = Tables.getJumpTables()[Op.getIndex()].MBBs;
          auto Other = find_if(Targets, [&](const MachineBasicBlock *Block) { return Block != &Target; });
          return Other != Targets.end() && Tables.ReplaceMBBInJumpTable(Op.getIndex(), &Target, *Other);
        }
    return false;
  }
};

char Unreachable::ID;

} // namespace

MachineFunctionPass *twin::createUnreachablePass() { return new Unreachable; }
