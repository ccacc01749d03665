// Polls. As the IR has it, a poll tests a word of the *poll page* and branches to a cold block. What runs is only an access to that
// page: on a request the runtime makes the page inaccessible, and the fault goes on in the cold block, or the poll is *bare*: its cold
// block would only call the runtime, which then does what that call would (runtime/rt/trap.c).
//
// Until blocks have their places a poll stays a test and a branch, which all passes of LLVM understand. `Test` gives the test one form
// on each ISA behind instruction selection; `Fault` removes the branch, and notes where control goes on a fault.
//
// Where there is a link register, a call destroys it, also the one that the runtime makes of a fault. So that nothing is in it that would
// have to be saved in front of the call, the test destroys it, too, from `Test` until registers are assigned, when `Release` ends that.
#include "row.h"
#include "shim.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/CodeGen/LiveRegUnits.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/GlobalValue.h"
#include "llvm/IR/Instructions.h"
#include "llvm/MC/MCContext.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace {

/// What polls access (compiler/src/polls.rs).
constexpr StringRef PageName = "__twin_poll_page";

/// Prefix of labels of polls.
constexpr StringRef LabelPrefix = ".Ltwinpoll";

/// An address on x86-64: base, scale, index, displacement, segment.
constexpr unsigned OperandsOfAddress = 5, DisplacementIndex = 3;

const MachineOperand *pageOf(const MachineInstr &MI) {
  for (const MachineOperand &Op : MI.operands())
    if (Op.isGlobal() && Op.getGlobal()->getName() == PageName)
      return &Op;
  return nullptr;
}

bool isAArch64(const MachineBasicBlock &MBB) {
  return MBB.getParent()->getTarget().getTargetTriple().isAArch64();
}

/// Register units that have values behind the calls of bare polls, by the labels behind them.
thread_local DenseMap<const MCSymbol *, BitVector> Kept;

/// The access to the page.
MachineInstr *accessIn(MachineBasicBlock &MBB) {
  for (MachineInstr &MI : MBB)
    if (MI.mayLoad() && pageOf(MI))
      return &MI;
  return nullptr;
}

/// Whether the block comes from one that does nothing but call the runtime.
bool isCold(const MachineBasicBlock &MBB) {
  const BasicBlock *BB = MBB.getBasicBlock();
  return BB && any_of(*BB, [](const Instruction &I) {
           const auto *Call = dyn_cast<CallInst>(&I);
           return Call && Call->getCalledFunction() && Call->getCalledFunction()->getName() == twin::PollName;
         });
}

/// The successors of a block that polls: the cold one, and the other one. Null if it has others.
std::pair<MachineBasicBlock *, MachineBasicBlock *> successors(const MachineBasicBlock &MBB) {
  if (MBB.succ_size() != 2)
    return {nullptr, nullptr};
  MachineBasicBlock *A = *MBB.succ_begin(), *B = *std::next(MBB.succ_begin());
  if (isCold(*A) == isCold(*B))
    return {nullptr, nullptr};
  return isCold(*A) ? std::pair(A, B) : std::pair(B, A);
}

/// What both passes share: all blocks that poll, one by one.
struct PollPass : twin::MachinePass {
  using MachinePass::MachinePass;

  bool runOnMachineFunction(MachineFunction &MF) override {
    bool Any = false;
    for (MachineBasicBlock &MBB : MF)
      if (MachineInstr *Access = accessIn(MBB)) {
        auto [Cold, Next] = successors(MBB);
        if (!Cold) {
          violation(MF, "a poll does not branch to a cold block");
          return true;
        }
        change(MBB, *Access, *Cold, *Next);
        Any = true;
      }
    return Any;
  }

protected:
  virtual void change(MachineBasicBlock &MBB, MachineInstr &Access, MachineBasicBlock &Cold, MachineBasicBlock &Next) = 0;
};

struct Test : PollPass {
  static char ID;
  Test() : PollPass(ID) {}
  StringRef getPassName() const override { return "Twin: one form of polls' tests"; }

private:
  void change(MachineBasicBlock &MBB, MachineInstr &Access, MachineBasicBlock &Cold, MachineBasicBlock &Next) override {
    MachineFunction &MF = *MBB.getParent();
    const TargetInstrInfo &TII = *MF.getSubtarget().getInstrInfo();
    DebugLoc Location = Access.getDebugLoc();
    TII.removeBranch(MBB);
    SmallVector<MachineOperand, 3> Condition;
    MachineInstrBuilder New;
    const MachineOperand &Page = *pageOf(Access);
    if (isAArch64(MBB)) {
      static const unsigned Load = twin::opcodeNamed(TII, "LDRWl"), Branch = twin::opcodeNamed(TII, "CBNZW");
      Register Word = MF.getRegInfo().createVirtualRegister(TII.getRegClass(TII.get(Load), 0));
      New = BuildMI(&MBB, Location, TII.get(Load), Word).addGlobalAddress(Page.getGlobal());
      New.addReg(MF.getSubtarget().getRegisterInfo()->getRARegister(), RegState::ImplicitDefine | RegState::Dead);
      Condition = {MachineOperand::CreateImm(-1), MachineOperand::CreateImm(Branch), MachineOperand::CreateReg(Word, false)};
    } else {
      static const unsigned Compare = twin::opcodeNamed(TII, "CMP32mi");
      constexpr unsigned NotEqual = 5;
      unsigned First = Access.getOperandNo(&Page) - DisplacementIndex;
      New = BuildMI(&MBB, Location, TII.get(Compare));
      for (unsigned N = 0; N < OperandsOfAddress; ++N)
        New.add(Access.getOperand(First + N));
      New.addImm(0);
      Condition = {MachineOperand::CreateImm(NotEqual)};
    }
    New.cloneMemRefs(Access);
    removeDead(MBB, Access, *New);
    TII.insertBranch(MBB, &Cold, MBB.isLayoutSuccessor(&Next) ? nullptr : &Next, Condition, Location);
  }

  // Removes the old access, and what only it and the old branch were for.
  static void removeDead(MachineBasicBlock &MBB, MachineInstr &Access, MachineInstr &New) {
    for (auto I = std::next(MachineBasicBlock::reverse_iterator(New)); I != MBB.rend();) {
      MachineInstr &MI = *I++;
      bool IsAccess = &MI == &Access;
      bool HasEffect = MI.isCall() || MI.mayStore() || MI.isInlineAsm() || MI.isPosition() || MI.isDebugInstr() ||
                       MI.hasUnmodeledSideEffects() || (MI.hasOrderedMemoryRef() && !IsAccess);
      if (!HasEffect && !MI.all_defs().empty() && none_of(MI.all_defs(), [&](auto &Def) { return isRead(MI, Def.getReg()); }))
        MI.eraseFromParent();
      if (IsAccess)
        return;
    }
  }

  // Whether what `MI` writes to `Register` is read. Physical registers do not live across the ends of blocks here.
  static bool isRead(const MachineInstr &MI, Register Register) {
    return Register.isVirtual() ? !MI.getMF()->getRegInfo().use_nodbg_empty(Register) : twin::nextReader(MI, Register) != nullptr;
  }
};

struct Release : twin::MachinePass {
  static char ID;
  Release() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: polls leave the link register alone"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    MCRegister Link = MF.getSubtarget().getRegisterInfo()->getRARegister();
    bool Any = false;
    for (MachineBasicBlock &MBB : MF)
      if (MachineInstr *Access = accessIn(MBB))
        if (int Index = Access->findRegisterDefOperandIdx(Link, /*TRI=*/nullptr); Index >= 0) {
          Access->removeOperand(Index);
          Any = true;
        }
    return Any;
  }
};

struct Fault : PollPass {
  static char ID;
  Fault() : PollPass(ID) {}
  StringRef getPassName() const override { return "Twin: polls fault"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    Count = 0;
    Bare.clear();
    Kept.clear();
    // Control would fall into a cold block that stays behind its poll.
    twin::sortBlocks(MF, isCold);
    // A function that polls on one ISA only may have other calls on the other one, which then comes here, too.
    if (twin::hasUniformCalls(MF))
      agreeOnBare(MF);
    return PollPass::runOnMachineFunction(MF);
  }

private:
  unsigned Count = 0;
  /// The calls of bare polls, by the labels behind them.
  DenseSet<const MCSymbol *> Bare;

  void agreeOnBare(MachineFunction &MF) {
    std::vector<uint32_t> Sites;
    std::vector<const MachineInstr *> Calls;
    bool Understood = all_of(MF.getFrameInstructions(), twin::FrameRows::understands);
    for (MachineBasicBlock &MBB : MF)
      if (Understood && accessIn(MBB)) {
        auto [Cold, Next] = successors(MBB);
        if (const MachineInstr *Call = Cold ? onlyCall(*Cold) : nullptr) {
          Sites.push_back(twin::siteOf(*Call));
          Calls.push_back(Call);
        }
      }
    std::string Name = MF.getName().str();
    int64_t Common = twin::Host->bare_polls(twin::Host->context, Name.c_str(), Sites.data(), Sites.size());
    DenseSet<uint32_t> Agreed;
    for (int64_t I = 0; I < Common; ++I)
      Agreed.insert(Sites[I]);
    for (const MachineInstr *Call : Calls)
      if (Agreed.contains(twin::siteOf(*Call)))
        Bare.insert(Call->getPostInstrSymbol());
  }

  // The call of a cold block if that does nothing else, and has one poll only.
  static MachineInstr *onlyCall(MachineBasicBlock &Cold) {
    if (Cold.pred_size() != 1 || Cold.succ_size() != 1 || isCold(**Cold.succ_begin()))
      return nullptr;
    MachineInstr *Call = nullptr;
    for (MachineInstr &MI : Cold)
      if (!Call && twin::isPollCall(MI))
        Call = &MI;
      else if (!MI.isUnconditionalBranch() && !MI.isDebugInstr() && !MI.isKill())
        return nullptr;
    // What a map saves although it is undefined, the block itself has to define (define.cpp).
    return Call && none_of(Call->all_uses(), [](const MachineOperand &Op) { return Op.isUndef(); }) ? Call : nullptr;
  }

  void change(MachineBasicBlock &MBB, MachineInstr &Access, MachineBasicBlock &Cold, MachineBasicBlock &Next) override {
    MachineFunction &MF = *MBB.getParent();
    const TargetInstrInfo &TII = *MF.getSubtarget().getInstrInfo();
    DebugLoc Location = Access.getDebugLoc();
    MachineBasicBlock *To, *Else;
    SmallVector<MachineOperand, 3> Condition;
    if (TII.analyzeBranch(MBB, To, Else, Condition) || Condition.empty())
      return violation(MF, "the branch of a poll is not known");
    TII.removeBranch(MBB);
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    auto IsLink = [&](const auto &Pair) { return TRI.regsOverlap(Pair.PhysReg, TRI.getRARegister()); };
    if (isAArch64(MBB) && any_of(Cold.liveins(), IsLink) &&
        none_of(Cold, [](const MachineInstr &MI) { return MI.getFlag(MachineInstr::FrameSetup); }))
      return violation(MF, "a value is in the link register at a poll");
    // A fault skips what is behind the access.
    MBB.splice(MBB.end(), &MBB, Access.getIterator());
    MachineInstr *Final = &Access;
    if (!isAArch64(MBB)) {
      // Three bytes shorter than a comparison. Which register does not matter; the stack pointer is always defined.
      static const unsigned Opcode = twin::opcodeNamed(TII, "TEST32mr");
      static const MCRegister StackPointer = twin::registerNamed(TRI, "ESP");
      MachineInstrBuilder Shorter = BuildMI(&MBB, Location, TII.get(Opcode));
      for (unsigned N = 0; N < OperandsOfAddress; ++N)
        Shorter.add(Access.getOperand(N));
      Shorter.addReg(StackPointer).cloneMemRefs(Access);
      Access.eraseFromParent();
      Final = Shorter;
    }
    Final->setPreInstrSymbol(MF, MF.getContext().getOrCreateSymbol(LabelPrefix + Twine(MF.getFunctionNumber()) + "_" +
                                                                  Twine(Count++)));
    MachineInstr *Call = onlyCall(Cold);
    if (Call && Bare.contains(Call->getPostInstrSymbol()))
      takeOver(*Final, *Call);
    else
      Cold.setLabelMustBeEmitted();
    if (!MBB.isLayoutSuccessor(&Next))
      TII.insertUnconditionalBranch(MBB, &Next, Location);
  }

  // Makes `Poll` stand for `Call`, whose block goes away.
  static void takeOver(MachineInstr &Poll, MachineInstr &Call) {
    MachineFunction &MF = *Poll.getMF();
    LiveRegUnits Units(*MF.getSubtarget().getRegisterInfo());
    Units.addUnits(BitVector(MF.getSubtarget().getRegisterInfo()->getNumRegUnits(), true));
    twin::noteWritten(Call, Units);
    Kept[Call.getPostInstrSymbol()] = Units.getBitVector();
    MachineBasicBlock &Cold = *Call.getParent();
    for (const MachineOperand &Op : Call.implicit_operands())
      if (Op.isReg() && Op.isUse() && !MF.getRegInfo().isReserved(Op.getReg().asMCReg()))
        Poll.addOperand(MF, MachineOperand::CreateReg(Op.getReg(), /*isDef=*/false, /*isImp=*/true));
    Poll.setPostInstrSymbol(MF, Call.getPostInstrSymbol());
    MF.eraseAdditionalCallInfo(&Call);
    MachineBasicBlock &MBB = *Poll.getParent(), &Resume = **Cold.succ_begin();
    if (MBB.isSuccessor(&Resume)) {
      MBB.removeSuccessor(&Cold);
    } else {
      MBB.replaceSuccessor(&Cold, &Resume);
      Resume.setLabelMustBeEmitted();
    }
    Cold.removeSuccessor(Cold.succ_begin());
    MF.erase(&Cold);
  }
};

char Test::ID, Release::ID, Fault::ID;

} // namespace

bool twin::isPollCall(const MachineInstr &MI) {
  return isUniformCall(MI) && any_of(MI.operands(), [](const MachineOperand &Op) {
           return Op.isGlobal() && Op.getGlobal()->getName() == twin::PollName;
         });
}

bool twin::isPoll(const MachineInstr &MI) {
  const MCSymbol *Symbol = MI.getPreInstrSymbol();
  return Symbol && Symbol->getName().starts_with(LabelPrefix);
}

const MachineBasicBlock *twin::coldBlock(const MachineInstr &Poll) { return successors(*Poll.getParent()).first; }

const BitVector *twin::keptBy(const MachineInstr &Poll) {
  auto Found = Kept.find(Poll.getPostInstrSymbol());
  return Found == Kept.end() ? nullptr : &Found->second;
}

const MachineBasicBlock *twin::resumeBlock(const MachineInstr &Poll) {
  const MachineBasicBlock &MBB = *Poll.getParent();
  const TargetInstrInfo &TII = *MBB.getParent()->getSubtarget().getInstrInfo();
  auto Branch = find_if(MBB.terminators(), [](const MachineInstr &MI) { return MI.isUnconditionalBranch(); });
  const MachineBasicBlock *Next = Branch == MBB.end() ? nullptr : TII.getBranchDestBlock(*Branch);
  auto Resume = find_if(MBB.successors(), [&](const MachineBasicBlock *S) {
    return S != Next && (Next || !MBB.isLayoutSuccessor(S));
  });
  return Resume == MBB.succ_end() ? nullptr : *Resume;
}

MachineFunctionPass *twin::createTestPass() { return new Test; }
MachineFunctionPass *twin::createReleasePass() { return new Release; }
MachineFunctionPass *twin::createFaultPass() { return new Fault; }
