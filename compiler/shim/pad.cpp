// Chooses where the padding in front of a uniform call goes (compiler/src/align): between the two blocks since the call
// before among which control falls through least often. The place is a label behind the terminators of the upper block:
// `.Ltwinskipped` where control never falls through, `.Ltwinexecuted` where it does.
#include "shim.h"

#include "llvm/CodeGen/MachineBlockFrequencyInfo.h"
#include "llvm/CodeGen/MachineBranchProbabilityInfo.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetOpcodes.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/MC/MCContext.h"

using namespace llvm;

namespace {

struct Pad : twin::MachinePass {
  static char ID;
  Pad() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: choose places for padding"; }

  void getAnalysisUsage(AnalysisUsage &Usage) const override {
    Usage.addRequired<MachineBlockFrequencyInfoWrapperPass>();
    Usage.addRequired<MachineBranchProbabilityInfoWrapperPass>();
    MachinePass::getAnalysisUsage(Usage);
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    const auto &Frequencies = getAnalysis<MachineBlockFrequencyInfoWrapperPass>().getMBFI();
    const auto &Probabilities = getAnalysis<MachineBranchProbabilityInfoWrapperPass>().getMBPI();
    bool Changed = false;
    // Blocks since the call before, in layout order; the padding goes behind one of them.
    SmallVector<MachineBasicBlock *, 16> Blocks;
    for (MachineBasicBlock &MBB : MF) {
      Blocks.push_back(&MBB);
      for (MachineInstr &MI : MBB)
        if (twin::isUniformCall(MI)) {
          Changed |= choose(MF, Blocks, MI, Frequencies, Probabilities);
          Blocks.assign(1, &MBB);
        }
    }
    return Changed;
  }

private:
  // How often control falls through from `Upper` to the block behind it.
  static BlockFrequency fallsThrough(MachineBasicBlock &Upper, const MachineBlockFrequencyInfo &Frequencies,
                                     const MachineBranchProbabilityInfo &Probabilities) {
    MachineBasicBlock *Next = Upper.getFallThrough();
    if (!Next)
      return BlockFrequency(0);
    return Frequencies.getBlockFreq(&Upper) * Probabilities.getEdgeProbability(&Upper, Next);
  }

  bool choose(MachineFunction &MF, ArrayRef<MachineBasicBlock *> Blocks, MachineInstr &Call,
              const MachineBlockFrequencyInfo &Frequencies, const MachineBranchProbabilityInfo &Probabilities) {
    // Right in front of the call is what the others have to beat.
    BlockFrequency Least = Frequencies.getBlockFreq(Call.getParent());
    // An aligned block would swallow padding above it. One that turns as often as the call does without its alignment.
    BlockFrequency Bearable = Least + BlockFrequency(Least.getFrequency() / 2);
    size_t Best = 0;
    for (size_t I = Blocks.size() - 1; I > 0; --I) {
      if (Blocks[I]->getAlignment() > Align(1) && Frequencies.getBlockFreq(Blocks[I]) > Bearable)
        break;
      BlockFrequency Here = fallsThrough(*Blocks[I - 1], Frequencies, Probabilities);
      if (Here < Least) {
        Least = Here;
        Best = I;
      }
    }
    if (!Best)
      return false;
    for (MachineBasicBlock *Block : Blocks.drop_front(Best))
      Block->setAlignment(Align(1));
    MachineBasicBlock &Upper = *Blocks[Best - 1];
    StringRef Kind = Upper.getFallThrough() ? "executed" : "skipped";
    MCSymbol *Symbol = MF.getContext().getOrCreateSymbol(".Ltwin" + Kind + Twine(MF.getFunctionNumber()) + "_" +
                                                         Twine(twin::siteOf(Call)));
    const TargetInstrInfo &Instructions = *MF.getSubtarget().getInstrInfo();
    // The label hides from the printer that the block above may jump to the one below.
    Blocks[Best]->setLabelMustBeEmitted();
    BuildMI(Upper, Upper.end(), DebugLoc(), Instructions.get(TargetOpcode::ANNOTATION_LABEL)).addSym(Symbol);
    return true;
  }
};

char Pad::ID;

} // namespace

MachineFunctionPass *twin::createPadPass() { return new Pad; }
