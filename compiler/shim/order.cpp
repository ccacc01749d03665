// Puts the blocks that hold uniform calls into the order that both ISAs have agreed on. A call that only this ISA has
// becomes a trap: the other one found it to be unreachable.
#include "shim.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/CodeGen/BasicBlockSectionUtils.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace {

struct Order : twin::MachinePass {
  static char ID;
  Order() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: order blocks with uniform calls"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    std::vector<uint32_t> Sites;
    size_t Calls = 0;
    for (const MachineBasicBlock &MBB : MF) {
      for (const MachineInstr &MI : MBB)
        if (twin::isUniformCall(MI)) {
          Sites.push_back(twin::siteOf(MI));
          ++Calls;
        }
      Sites.push_back(UINT32_MAX);
    }
    if (!Calls)
      return false;
    std::vector<uint32_t> Agreed(Calls);
    std::string Name = MF.getName().str();
    int64_t Common = twin::Host->block_order(twin::Host->context, Name.c_str(), Sites.data(), Sites.size(),
                                             Agreed.data(), Calls);

    DenseMap<uint32_t, unsigned> Rank;
    for (int64_t I = 0; I < Common; ++I)
      Rank[Agreed[I]] = I + 1;
    bool Changed = trapOthers(MF, Rank);
    // A block without uniform calls stays behind the one that it follows now.
    unsigned Chain = 0;
    return Changed | twin::sortBlocks(MF, [&](const MachineBasicBlock &MBB) {
             for (const MachineInstr &MI : MBB)
               if (twin::isUniformCall(MI) && Rank.contains(twin::siteOf(MI)))
                 return Chain = &MBB == &MF.front() ? 0 : Rank[twin::siteOf(MI)];
             return Chain;
           });
  }

private:
  // Makes calls that the other ISA found to be unreachable traps.
  static bool trapOthers(MachineFunction &MF, const DenseMap<uint32_t, unsigned> &Rank) {
    const TargetInstrInfo &TII = *MF.getSubtarget().getInstrInfo();
    bool Changed = false;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : make_early_inc_range(MBB))
        if (twin::isUniformCall(MI) && !Rank.contains(twin::siteOf(MI))) {
          bool AArch64 = MF.getTarget().getTargetTriple().isAArch64();
          auto Trap = BuildMI(MBB, MI, MI.getDebugLoc(), TII.get(twin::opcodeNamed(TII, AArch64 ? "BRK" : "TRAP")));
          if (AArch64)
            Trap.addImm(1);
          MF.eraseAdditionalCallInfo(&MI);
          MI.eraseFromParent();
          Changed = true;
        }
    return Changed;
  }
};

char Order::ID;

} // namespace

bool twin::sortBlocks(MachineFunction &MF, function_ref<unsigned(const MachineBasicBlock &)> Rank) {
  std::vector<std::pair<unsigned, unsigned>> Key(MF.getNumBlockIDs());
  unsigned Last = 0;
  bool Sorted = true;
  for (auto [Position, MBB] : enumerate(MF)) {
    unsigned Here = Rank(MBB);
    Sorted &= Here >= Last;
    Last = Here;
    Key[MBB.getNumber()] = {Here, Position};
  }
  if (Sorted)
    return false;
  sortBasicBlocksAndUpdateBranches(MF, [&](const MachineBasicBlock &A, const MachineBasicBlock &B) {
    return Key[A.getNumber()] < Key[B.getNumber()];
  });
  // That is made for sections of blocks, and would give the function a section of its own.
  for (MachineBasicBlock &MBB : MF) {
    MBB.setIsBeginSection(false);
    MBB.setIsEndSection(false);
  }
  return true;
}

MachineFunctionPass *twin::createOrderPass() { return new Order; }
