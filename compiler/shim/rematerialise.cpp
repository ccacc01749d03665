// Frame and global addresses and constants that the code generator shares across a uniform call are computed
// again behind it, so that no register is live there. Runs on SSA form, before PHI elimination.
#include "shim.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/CodeGen/MachineBlockFrequencyInfo.h"
#include "llvm/CodeGen/MachineDominators.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineMemOperand.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/MachineSSAUpdater.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/Constants.h"

using namespace llvm;

namespace {

struct Rematerialise : twin::MachinePass {
  static char ID;
  const TargetInstrInfo *TII;
  MachineRegisterInfo *MRI;
  MachineBlockFrequencyInfo *Frequencies;

  Rematerialise() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: rematerialise across uniform calls"; }

  void getAnalysisUsage(AnalysisUsage &AU) const override {
    AU.addRequired<MachineBlockFrequencyInfoWrapperPass>();
    MachinePass::getAnalysisUsage(AU);
  }

  // Deep enough for address computations; a longer chain is not cheap any more.
  static constexpr unsigned MaxDepth = 4;

  // Whether `MI` reads what no one ever writes: x86-64 loads the thread pointer from the word that it points to.
  static bool isInvariantLoad(const MachineInstr &MI) {
    constexpr unsigned SegmentFS = 257;
    if (MI.isDereferenceableInvariantLoad())
      return true;
    if (!MI.hasOneMemOperand())
      return false;
    const MachineMemOperand &Access = **MI.memoperands_begin();
    return Access.getAddrSpace() == SegmentFS && Access.getOffset() == 0 &&
           isa_and_nonnull<ConstantPointerNull>(Access.getValue());
  }

  // Whether `MI` can be cloned anywhere in the function: pure, and made of nothing but constants, the frame
  // and values of the same kind. It may write flags besides: those of the clone nobody reads.
  bool isPure(const MachineInstr &MI, unsigned Depth = 0) const {
    if (Depth > MaxDepth || MI.isPHI() || MI.isCall() || MI.hasUnmodeledSideEffects() || MI.mayStore() ||
        MI.isInlineAsm() || MI.isTerminator() || MI.isNotDuplicable() || MI.getNumExplicitDefs() != 1)
      return false;
    if (MI.mayLoad() && !isInvariantLoad(MI))
      return false;
    for (const MachineOperand &Op : MI.operands()) {
      if (!Op.isReg() || !Op.getReg())
        continue;
      if (Op.getReg().isPhysical()) {
        bool Harmless = Op.isDef() ? Op.isImplicit() : MRI->isConstantPhysReg(Op.getReg());
        if (!Harmless && !TII->isIgnorableUse(Op))
          return false;
      } else if (Op.isUse()) {
        const MachineInstr *Def = MRI->getUniqueVRegDef(Op.getReg());
        if (!Def || !isPure(*Def, Depth + 1))
          return false;
      }
    }
    return true;
  }

  // Instructions of a clone of `MI`.
  unsigned length(const MachineInstr &MI) const {
    unsigned Count = 1;
    for (const MachineOperand &Op : MI.all_uses())
      if (Op.getReg().isVirtual())
        Count += length(*MRI->getUniqueVRegDef(Op.getReg()));
    return Count;
  }

  // Collects what a clone of `MI` writes besides its result.
  void clobbers(const MachineInstr &MI, SmallSetVector<Register, 2> &Regs) const {
    for (const MachineOperand &Op : MI.operands()) {
      if (!Op.isReg() || !Op.getReg())
        continue;
      if (Op.isDef() && Op.getReg().isPhysical())
        Regs.insert(Op.getReg());
      else if (Op.isUse() && Op.getReg().isVirtual())
        clobbers(*MRI->getUniqueVRegDef(Op.getReg()), Regs);
    }
  }

  // The block that all ways to `MBB` come through last, if there is no uniform call on them behind it.
  static MachineBasicBlock *blockAbove(MachineBasicBlock &MBB) {
    if (MBB.pred_size() == 1)
      return *MBB.pred_begin();
    // Flags are seldom live where ways meet.
    MachineDominatorTree Tree(*MBB.getParent());
    const MachineDomTreeNode *Node = Tree.getNode(&MBB);
    if (!Node || !Node->getIDom())
      return nullptr;
    MachineBasicBlock *Above = Node->getIDom()->getBlock();
    SmallSetVector<MachineBasicBlock *, 8> Between(MBB.pred_begin(), MBB.pred_end());
    for (size_t I = 0; I < Between.size(); ++I) {
      MachineBasicBlock *Block = Between[I];
      if (Block == Above)
        continue;
      if (any_of(*Block, twin::isUniformCall))
        return nullptr;
      Between.insert(Block->pred_begin(), Block->pred_end());
    }
    return Above;
  }

  // The last place before `Where` at which a clone of `MI` disturbs nothing: it must not land between a compare
  // and its branch, which may be in another block. Goes no further back than the uniform call.
  using Place = std::pair<MachineBasicBlock *, MachineBasicBlock::iterator>;
  Place quietPlace(Place Where, const MachineInstr &MI) const {
    SmallSetVector<Register, 2> Regs;
    clobbers(MI, Regs);
    const TargetRegisterInfo *TRI = MRI->getTargetRegisterInfo();
    auto [MBB, At] = Where;
    auto IsQuiet = [&, &MBB = MBB, &At = At](Register Reg) {
      return MBB->computeRegisterLiveness(TRI, Reg, At, /*Neighborhood=*/1000) == MachineBasicBlock::LQR_Dead;
    };
    while (!all_of(Regs, IsQuiet)) {
      bool AtBegin = At == MBB->begin() || std::prev(At)->isPHI();
      MachineBasicBlock *Above = AtBegin ? blockAbove(*MBB) : nullptr;
      if (Above) {
        MBB = Above;
        At = MBB->getFirstTerminator();
      } else if (AtBegin || twin::isUniformCall(*std::prev(At))) {
        std::string Text;
        raw_string_ostream Out(Text);
        MI.print(Out, /*IsStandalone=*/true, /*SkipOpers=*/false, /*SkipDebugLoc=*/true, /*AddNewLine=*/false);
        violation(*MBB->getParent(), "behind a uniform call there is no place for another " + Text);
        return Where;
      } else {
        --At;
      }
    }
    return {MBB, At};
  }

  Register clone(Place Where, const MachineInstr &MI) {
    auto [MBB, At] = Where;
    Register Old = MI.getOperand(0).getReg();
    Register New = MRI->cloneVirtualRegister(Old);
    bool TargetKnows = TII->isTriviallyReMaterializable(MI) && !MI.getOperand(0).getSubReg();
    if (TargetKnows) {
      TII->reMaterialize(*MBB, At, New, 0, MI);
    } else {
      SmallVector<std::pair<unsigned, Register>, 4> Operands;
      for (unsigned I = 0; I < MI.getNumOperands(); ++I) {
        const MachineOperand &Op = MI.getOperand(I);
        if (Op.isReg() && Op.isUse() && Op.getReg().isVirtual())
          Operands.push_back({I, clone(Where, *MRI->getUniqueVRegDef(Op.getReg()))});
      }
      MachineInstr &Copy = TII->duplicate(*MBB, At, MI);
      Copy.getOperand(0).setReg(New);
      for (MachineOperand &Op : Copy.implicit_operands())
        if (Op.isReg() && Op.isDef())
          Op.setIsDead();
      for (auto [I, Reg] : Operands) {
        Copy.getOperand(I).setReg(Reg);
        Copy.getOperand(I).setIsKill(false);
      }
    }
    return New;
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    twin::restoreLabels(MF);
    if (!twin::hasUniformCalls(MF))
      return false;
    TII = MF.getSubtarget().getInstrInfo();
    MRI = &MF.getRegInfo();
    Frequencies = &getAnalysis<MachineBlockFrequencyInfoWrapperPass>().getMBFI();

    unsigned Blocks = MF.getNumBlockIDs();
    BitVector HasCall(Blocks);
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        if (twin::isUniformCall(MI))
          HasCall.set(MBB.getNumber());

    countCalls(MF);
    splitWriteBacks(MF, HasCall);

    SmallVector<MachineInstr *, 64> Candidates;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        if (MI.getNumOperands() && MI.getOperand(0).isReg() && MI.getOperand(0).isDef() &&
            MI.getOperand(0).getReg().isVirtual() && !MI.getOperand(0).getSubReg() && isPure(MI))
          Candidates.push_back(&MI);

    bool Changed = false;
    // Users first: cloning a user may leave its operands without uses behind the call.
    for (MachineInstr *MI : reverse(Candidates))
      Changed |= rematerialise(MF, *MI, HasCall);
    return Changed;
  }

  // Uniform calls in front of each instruction in its block, and in each block. This pass adds none.
  DenseMap<const MachineInstr *, unsigned> CallsBefore;
  DenseMap<const MachineBasicBlock *, unsigned> CallsIn;

  void countCalls(MachineFunction &MF) {
    CallsBefore.clear();
    for (MachineBasicBlock &MBB : MF) {
      unsigned Calls = 0;
      for (MachineInstr &MI : MBB) {
        CallsBefore[&MI] = Calls;
        Calls += twin::isUniformCall(MI);
      }
      CallsIn[&MBB] = Calls;
    }
  }

  // Clones are not counted: they stand in front of something that is.
  unsigned callsBefore(MachineBasicBlock &MBB, MachineBasicBlock::iterator Where) const {
    for (; Where != MBB.end(); ++Where)
      if (auto Found = CallsBefore.find(&*Where); Found != CallsBefore.end())
        return Found->second;
    return CallsIn.lookup(&MBB);
  }

  // The uses of `Reg` that a uniform call can lie in front of, behind the definition.
  SmallVector<MachineOperand *, 8> usesBehindCalls(MachineFunction &MF, Register Reg, const BitVector &HasCall) {
    MachineInstr &Def = *MRI->getUniqueVRegDef(Reg);
    MachineBasicBlock &Home = *Def.getParent();

    // Blocks that can be entered with a call behind the definition.
    BitVector Behind(MF.getNumBlockIDs());
    BitVector Seen(MF.getNumBlockIDs());
    SmallVector<MachineBasicBlock *, 16> Work;
    unsigned Before = callsBefore(Home, Def.getIterator());
    bool CallInHome = callsBefore(Home, Home.end()) > Before;

    SmallVector<MachineOperand *, 8> Uses;
    bool Foreign = CallInHome;
    for (MachineOperand &Op : MRI->use_nodbg_operands(Reg)) {
      Uses.push_back(&Op);
      Foreign |= Op.getParent()->getParent() != &Home || Op.getParent()->isPHI();
    }
    if (!Foreign || Uses.empty())
      return {};

    auto Visit = [&](MachineBasicBlock &From, bool Crossed) {
      for (MachineBasicBlock *Next : From.successors()) {
        unsigned N = Next->getNumber();
        // The definition is renewed at home: what is behind it there starts afresh.
        bool New = !Seen[N] || (Crossed && !Behind[N]);
        if (!New)
          continue;
        Seen.set(N);
        if (Crossed)
          Behind.set(N);
        if (Next != &Home)
          Work.push_back(Next);
      }
    };
    Visit(Home, CallInHome);
    while (!Work.empty()) {
      MachineBasicBlock *MBB = Work.pop_back_val();
      Visit(*MBB, Behind[MBB->getNumber()] || HasCall[MBB->getNumber()]);
    }

    auto Crosses = [&](MachineBasicBlock &MBB, MachineBasicBlock::iterator Use) {
      if (&MBB == &Home)
        return callsBefore(MBB, Use) > Before;
      return Behind[MBB.getNumber()] || callsBefore(MBB, Use) > 0;
    };

    erase_if(Uses, [&](MachineOperand *Op) {
      Place Where = placeOf(*Op);
      return !Crosses(*Where.first, Where.second);
    });
    return Uses;
  }

  // In front of what a value has to be there for its use `Op`.
  static Place placeOf(const MachineOperand &Op) {
    MachineInstr &User = *const_cast<MachineOperand &>(Op).getParent();
    if (!User.isPHI())
      return {User.getParent(), User.getIterator()};
    MachineBasicBlock *MBB = User.getOperand(Op.getOperandNo() + 1).getMBB();
    return {MBB, MBB->getFirstTerminator()};
  }

  // An address that was written back is computed apart from the access where it is used behind a uniform call.
  void splitWriteBacks(MachineFunction &MF, const BitVector &HasCall) {
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : make_early_inc_range(MBB)) {
        if (!twin::writesBack(MI) || usesBehindCalls(MF, MI.getOperand(0).getReg(), HasCall).empty())
          continue;
        CallsBefore.erase(&MI);
        twin::splitWriteBack(MI);
      }
  }

  // Blocks whose last uniform call comes last in front of a use among `Uses` on some way from `Def`, and the blocks that a value
  // made there comes through.
  using BlockSet = SmallSetVector<MachineBasicBlock *, 16>;
  std::pair<BlockSet, BlockSet> callsInFront(MachineInstr &Def, ArrayRef<MachineOperand *> Uses) const {
    BlockSet Calls, Work;
    auto Enter = [&](MachineBasicBlock &MBB) {
      if (CallsIn.lookup(&MBB) > (&MBB == Def.getParent() ? CallsBefore.lookup(&Def) : 0))
        Calls.insert(&MBB);
      else if (&MBB != Def.getParent())
        Work.insert(&MBB);
    };
    for (MachineOperand *Op : Uses) {
      Place Where = placeOf(*Op);
      if (callsBefore(*Where.first, Where.second))
        Enter(*Where.first);
      else
        Work.insert(Where.first);
    }
    for (size_t I = 0; I < Work.size(); ++I)
      for (MachineBasicBlock *Pred : Work[I]->predecessors())
        Enter(*Pred);
    return {Calls, Work};
  }

  // Whether a native call in `MBB` leaves no register of those that can hold `Reg`: it would be stored and loaded each time.
  bool isDestroyedIn(MachineBasicBlock &MBB, Register Reg) const {
    const TargetRegisterClass &Class = *MRI->getRegClass(Reg);
    return any_of(MBB, [&](MachineInstr &MI) {
      const MachineOperand *Mask = twin::isUniformCall(MI) ? nullptr : twin::registerMask(MI);
      return Mask && all_of(Class, [&](MCPhysReg Each) { return Mask->clobbersPhysReg(Each); });
    });
  }

  uint64_t frequency(const MachineBasicBlock &MBB) const { return Frequencies->getBlockFreq(&MBB).getFrequency(); }

  // Computes `Def` again behind the calls in front of `Uses` and not at each of them, if that runs less often: a poll's cold
  // path in a loop. Leaves in `Uses` those that need one of their own: between two calls of a block, or all.
  void renewBehindCalls(MachineFunction &MF, MachineInstr &Def, SmallVectorImpl<MachineOperand *> &Uses) {
    if (MF.getFunction().hasOptNone() || TII->isAsCheapAsAMove(Def))
      return;
    SmallVector<MachineOperand *, 8> Between, Behind;
    for (MachineOperand *Op : Uses) {
      auto [MBB, At] = placeOf(*Op);
      unsigned Before = callsBefore(*MBB, At);
      (Before && Before < CallsIn.lookup(MBB) ? Between : Behind).push_back(Op);
    }
    auto [Calls, Through] = callsInFront(Def, Behind);
    uint64_t AtCalls = 0, AtUses = 0, Length = length(Def);
    for (MachineBasicBlock *MBB : Calls)
      AtCalls = SaturatingMultiplyAdd(frequency(*MBB), Length, AtCalls);
    for (MachineBasicBlock *MBB : Through)
      if (isDestroyedIn(*MBB, Def.getOperand(0).getReg()))
        AtCalls = SaturatingMultiplyAdd(frequency(*MBB), uint64_t(2), AtCalls);
    for (MachineOperand *Op : Behind)
      AtUses = SaturatingMultiplyAdd(frequency(*placeOf(*Op).first), Length, AtUses);
    if (AtCalls >= AtUses)
      return;

    MachineSSAUpdater Updater(MF);
    Register Reg = Def.getOperand(0).getReg();
    Updater.Initialize(Reg);
    if (!Calls.contains(Def.getParent()))
      Updater.AddAvailableValue(Def.getParent(), Reg);
    DenseMap<MachineBasicBlock *, Register> Renewed;
    for (MachineBasicBlock *MBB : Calls) {
      auto Last = find_if(reverse(*MBB), [](const MachineInstr &MI) { return twin::isUniformCall(MI); });
      Renewed[MBB] = clone({MBB, std::next(Last->getIterator())}, Def);
      Updater.AddAvailableValue(MBB, Renewed[MBB]);
    }
    for (MachineOperand *Op : Behind) {
      auto [MBB, At] = placeOf(*Op);
      if (callsBefore(*MBB, At))
        Op->setReg(Renewed[MBB]);
      else
        Updater.RewriteUse(*Op);
      Op->setIsKill(false);
    }
    Uses = Between;
  }

  // Computes `Def` again at `Uses`: for each, as a number that is moved to a register is likely to be wanted in another one each time;
  // in vector registers once for all uses in a block behind the same call.
  void cloneAt(MachineFunction &MF, MachineInstr &Def, ArrayRef<MachineOperand *> Uses) {
    const TargetRegisterClass &Class = *MRI->getRegClass(Def.getOperand(0).getReg());
    bool Shares = !MRI->getTargetRegisterInfo()->isGeneralPurposeRegister(MF, *Class.begin());
    DenseMap<std::pair<MachineBasicBlock *, unsigned>, Register> Clones;
    SmallPtrSet<MachineInstr *, 16> Users;
    for (MachineOperand *Op : Uses)
      Users.insert(Op->getParent());
    for (MachineOperand *Op : Uses) {
      auto [MBB, At] = placeOf(*Op);
      unsigned Before = callsBefore(*MBB, At);
      Register &New = Clones[{MBB, Before}];
      if (!New || !Shares) {
        auto First = Shares ? std::find_if(MBB->getFirstNonPHI(), At, [&, Block = MBB](MachineInstr &MI) {
          return Users.contains(&MI) && callsBefore(*Block, MI.getIterator()) == Before;
        }) : At;
        New = clone(quietPlace({MBB, First}, Def), Def);
      }
      Op->setReg(New);
      Op->setIsKill(false);
    }
  }

  bool rematerialise(MachineFunction &MF, MachineInstr &Def, const BitVector &HasCall) {
    Register Reg = Def.getOperand(0).getReg();
    SmallVector<MachineOperand *, 8> Uses = usesBehindCalls(MF, Reg, HasCall);
    bool Changed = !Uses.empty();
    renewBehindCalls(MF, Def, Uses);
    cloneAt(MF, Def, Uses);
    if (Changed)
      MRI->clearKillFlags(Reg);
    if (Changed && MRI->use_nodbg_empty(Reg)) {
      MRI->markUsesInDebugValueAsUndef(Reg);
      CallsBefore.erase(&Def);
      Def.eraseFromParent();
    }
    return Changed;
  }
};

char Rematerialise::ID;

} // namespace

MachineFunctionPass *twin::createRematerialisePass() { return new Rematerialise; }
