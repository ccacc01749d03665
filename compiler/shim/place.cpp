// Lays out the frame right before prologue insertion, and checks that nothing but slots lives across uniform
// calls: [return address][saved FP or nothing][locals][slots][private: spill slots, padded to the larger ISA's], or
// private memory above the slots: next to the stack pointer, or to a frame pointer, comes what more instructions access, as
// near offsets are short.
#include "shim.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineMemOperand.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/PseudoSourceValue.h"
#include "llvm/CodeGen/TargetFrameLowering.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/Instructions.h"
#include "llvm/MC/MCSymbol.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace {

// The frame object that the IR passes made under `Name`, or -1.
struct UniformObjects {
  int Locals = -1, Slots = -1;

  explicit UniformObjects(const MachineFrameInfo &MFI) {
    for (int FI = 0; FI < MFI.getObjectIndexEnd(); ++FI)
      if (const AllocaInst *A = MFI.isDeadObjectIndex(FI) ? nullptr : MFI.getObjectAllocation(FI)) {
        if (A->getName() == twin::LocalsName)
          Locals = FI;
        else if (A->getName() == twin::SlotsName)
          Slots = FI;
      }
  }
  bool contains(int FI) const { return FI == Locals || FI == Slots; }
};

// Which private frame objects live where: a plain backward data flow. Slots are shared by values of several sizes and
// written in pieces, so that the state of an object is the set of its bytes that are read before they are written: a
// bit for each, or for each piece of an object with more than 64 of them.
class PrivateLiveness {
  using State = std::vector<uint64_t>;
  static constexpr uint64_t Bits = 64;

  const MachineFrameInfo &MFI;
  const MachineFunction &MF;
  UniformObjects Uniform;
  std::vector<State> In;
  std::vector<BitVector> Written;

  // The memory operand for frame object `FI`, if it is the only one.
  static const MachineMemOperand *access(const MachineInstr &MI, int FI) {
    if (!MI.hasOneMemOperand())
      return nullptr;
    const MachineMemOperand *Access = *MI.memoperands_begin();
    auto *Object = dyn_cast_or_null<FixedStackPseudoSourceValue>(Access->getPseudoValue());
    return Object && Object->getFrameIndex() == FI && Access->getSize().hasValue() ? Access : nullptr;
  }

  // What `Access` to object `FI` touches, and what of it it touches wholly.
  std::pair<uint64_t, uint64_t> pieces(const MachineMemOperand &Access, int FI) const {
    uint64_t Size = MFI.getObjectSize(FI), Piece = std::max<uint64_t>(divideCeil(Size, Bits), 1);
    uint64_t Begin = Access.getOffset(), End = Begin + Access.getSize().getValue();
    // All bits belong to the object: those behind its end to its last byte.
    if (End >= Size)
      End = Piece * Bits;
    auto Between = [](uint64_t From, uint64_t To) {
      return maskTrailingOnes<uint64_t>(std::min(To, Bits)) & ~maskTrailingOnes<uint64_t>(std::min(From, Bits));
    };
    return {Between(Begin / Piece, divideCeil(End, Piece)), Between(divideCeil(Begin, Piece), End / Piece)};
  }

  // What `MI` overwrites of object `FI`.
  uint64_t overwritten(const MachineInstr &MI, int FI) const {
    const MachineMemOperand *Access = access(MI, FI);
    bool IsStore = Access && !Access->isLoad() && !MI.mayLoad() && Access->getSize().isPrecise();
    return IsStore ? pieces(*Access, FI).second : 0;
  }

  void step(const MachineInstr &MI, State &Live) const {
    if (MI.isDebugInstr())
      return;
    for (const MachineOperand &Op : MI.operands()) {
      if (!Op.isFI() || Op.getIndex() < 0 || Uniform.contains(Op.getIndex()))
        continue;
      uint64_t &Bytes = Live[Op.getIndex()];
      const MachineMemOperand *Access = access(MI, Op.getIndex());
      // Whatever is not a plain access counts as a use of the whole object.
      if (Access && !Access->isLoad() && !MI.mayLoad())
        Bytes &= ~overwritten(MI, Op.getIndex());
      else
        Bytes |= Access ? pieces(*Access, Op.getIndex()).first : ~uint64_t(0);
    }
  }

public:
  explicit PrivateLiveness(const MachineFunction &MF)
      : MFI(MF.getFrameInfo()), MF(MF), Uniform(MFI), In(MF.getNumBlockIDs(), State(MFI.getObjectIndexEnd())) {
    bool Changed = true;
    while (Changed) {
      Changed = false;
      for (const MachineBasicBlock &MBB : reverse(MF)) {
        State Live = out(MBB);
        for (const MachineInstr &MI : reverse(MBB))
          step(MI, Live);
        if (Live != In[MBB.getNumber()]) {
          In[MBB.getNumber()] = std::move(Live);
          Changed = true;
        }
      }
    }
  }

  State out(const MachineBasicBlock &MBB) const {
    State Live(MFI.getObjectIndexEnd());
    for (const MachineBasicBlock *Next : MBB.successors())
      for (size_t I = 0; I < Live.size(); ++I)
        Live[I] |= In[Next->getNumber()][I];
    return Live;
  }

  // Which objects have been written since the last uniform call, on some path.
  void findWritten() {
    Written.assign(MF.getNumBlockIDs(), BitVector(MFI.getObjectIndexEnd()));
    bool Changed = true;
    while (Changed) {
      Changed = false;
      for (const MachineBasicBlock &MBB : MF) {
        BitVector Out = Written[MBB.getNumber()];
        for (const MachineInstr &MI : MBB)
          write(MI, Out);
        for (const MachineBasicBlock *Next : MBB.successors())
          if (Out.test(Written[Next->getNumber()])) {
            Written[Next->getNumber()] |= Out;
            Changed = true;
          }
      }
    }
  }

  void write(const MachineInstr &MI, BitVector &State) const {
    if (twin::isUniformCall(MI))
      State.reset();
    else if (MI.mayStore())
      for (const MachineOperand &Op : MI.operands())
        if (Op.isFI() && Op.getIndex() >= 0)
          State.set(Op.getIndex());
  }

  // An instruction that reads object `FI` as it is behind `Call`.
  const MachineInstr *reader(const MachineInstr &Call, int FI) const {
    struct Way {
      const MachineBasicBlock *MBB;
      MachineBasicBlock::const_iterator I;
      uint64_t Unwritten;
    };
    SmallVector<Way, 16> Work{{Call.getParent(), std::next(Call.getIterator()), ~uint64_t(0)}};
    SmallPtrSet<const MachineBasicBlock *, 16> Seen;
    while (!Work.empty()) {
      auto [MBB, I, Unwritten] = Work.pop_back_val();
      for (; I != MBB->end() && Unwritten; ++I) {
        State Live(MFI.getObjectIndexEnd());
        step(*I, Live);
        if (Live[FI] & Unwritten)
          return &*I;
        Unwritten &= ~overwritten(*I, FI);
      }
      for (const MachineBasicBlock *Next : MBB->successors())
        if (Unwritten && Seen.insert(Next).second)
          Work.push_back({Next, Next->begin(), Unwritten});
    }
    return nullptr;
  }

  template <typename Fn> void atUniformCalls(Fn Report) {
    findWritten();
    for (const MachineBasicBlock &MBB : MF) {
      // Backwards for what is read behind a call, forwards for what was written before it.
      DenseMap<const MachineInstr *, State> Behind;
      State Live = out(MBB);
      for (const MachineInstr &MI : reverse(MBB)) {
        if (twin::isUniformCall(MI))
          Behind[&MI] = Live;
        step(MI, Live);
      }
      BitVector Before = Written[MBB.getNumber()];
      for (const MachineInstr &MI : MBB) {
        if (auto Found = Behind.find(&MI); Found != Behind.end())
          for (unsigned FI : Before.set_bits())
            if (Found->second[FI])
              Report(MI, FI);
        write(MI, Before);
      }
    }
  }
};

bool hasFramePointer(const MachineFunction &MF) { return MF.getSubtarget().getFrameLowering()->hasFP(MF); }

// AArch64 would save the link register alone at CFA-16; saved in a pair it is at CFA-8, where x86-64 has the return address.
void saveInPairs(MachineFunction &MF) {
  const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
  if (!MF.getTarget().getTargetTriple().isAArch64())
    return;
  uint32_t *Written = MF.allocateRegMask();
  std::fill_n(Written, MachineOperand::getRegMaskSize(TRI.getNumRegs()), UINT32_MAX);
  for (const MCPhysReg *Saved = MF.getRegInfo().getCalleeSavedRegs(); *Saved; ++Saved)
    Written[*Saved / 32] &= ~(1u << *Saved % 32);
  MF.getRegInfo().addPhysRegsUsedFromRegMask(Written);
}

// Prologue insertion for AArch64 adds a slot for the register scavenger if the frame looks too large for unscaled offsets
// (estimateRSStackSizeLimit in AArch64FrameLowering.cpp): next to the frame pointer, in front of everything else, or next
// to the stack pointer, behind it. Should this prediction ever be wrong, the frames differ and compilation ends there.
uint64_t emergencySlotBytes(const MachineFunction &MF) {
  constexpr uint64_t UnscaledLimit = 255;
  if (!MF.getTarget().getTargetTriple().isAArch64())
    return 0;
  // Of the registers that are saved for a frame pointer, only the link register counts at that point.
  uint64_t Saved = hasFramePointer(MF) ? 8 : 16;
  return MF.getFrameInfo().estimateStackSize(MF) + Saved > UnscaledLimit ? 16 : 0;
}

// How many instructions access each frame object, but for those around polls, most of which a map replaces (map.cpp).
DenseMap<int, unsigned> countAccesses(const MachineFunction &MF) {
  DenseMap<int, unsigned> Accesses;
  for (const MachineBasicBlock &MBB : MF)
    if (none_of(MBB, twin::isPollCall))
      for (const MachineInstr &MI : MBB)
        for (const MachineOperand &Op : MI.operands())
          if (Op.isFI() && !MI.isDebugInstr())
            ++Accesses[Op.getIndex()];
  return Accesses;
}

struct Place : twin::MachinePass {
  static char ID;
  Place() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: lay out the frame"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    twin::restoreLabels(MF);
    if (!twin::hasUniformCalls(MF))
      return false;
    MachineFrameInfo &MFI = MF.getFrameInfo();
    PrivateLiveness Liveness(MF);
    Liveness.atUniformCalls([&](const MachineInstr &MI, int FI) {
      std::string Text;
      raw_string_ostream Out(Text);
      if (const MachineInstr *Reader = Liveness.reader(MI, FI))
        Reader->print(Out, /*IsStandalone=*/true, /*SkipOpers=*/false, /*SkipDebugLoc=*/true, /*AddNewLine=*/false);
      violation(MF, "spill slot " + std::to_string(FI) + " lives across uniform call site " +
                        std::to_string(twin::siteOf(MI)) + "; read by " + Text);
    });
    if (MFI.hasVarSizedObjects())
      violation(MF, "the size of the frame is not static");
    MFI.computeMaxCallFrameSize(MF);

    // Prologue insertion puts the local block right below the saved registers and an emergency slot above.
    UniformObjects Uniform(MFI);
    TwinFrame Needs{};
    Needs.pointer = hasFramePointer(MF);
    uint64_t Emergency = emergencySlotBytes(MF);
    const uint64_t OwnAbove = Needs.above = Needs.pointer ? Emergency : 0;
    // At the bottom there is room for arguments of native calls.
    const uint64_t OwnBottom = Needs.bottom = Emergency - OwnAbove + alignTo(MFI.getMaxCallFrameSize(), 16);
    DenseMap<int, unsigned> Accesses = countAccesses(MF);
    SmallVector<int, 16> Private;
    for (int FI = 0; FI < MFI.getObjectIndexEnd(); ++FI)
      if (!MFI.isDeadObjectIndex(FI) && !Uniform.contains(FI) && !MFI.isVariableSizedObjectIndex(FI)) {
        if (MFI.getObjectAlign(FI) > Align(16))
          violation(MF, "a spill slot wants an alignment of more than 16 bytes");
        Private.push_back(FI);
        Needs.spill_accesses += Accesses.lookup(FI);
      }
    stable_sort(Private, [&](int A, int B) { return Accesses.lookup(A) < Accesses.lookup(B); });
    if (Needs.pointer)
      std::reverse(Private.begin(), Private.end());
    for (int FI : Private)
      Needs.spills = alignTo(Needs.spills + MFI.getObjectSize(FI), MFI.getObjectAlign(FI));
    Needs.spills = alignTo(Needs.spills, 16);
    Needs.slot_accesses = Accesses.lookup(Uniform.Slots);
    std::string Name = MF.getName().str();
    if (twin::Host->reserve(twin::Host->context, Name.c_str(), &Needs) < 0)
      return true;
    // One ISA may want it for a large area of outgoing arguments. The register is reserved in any case.
    if (!Needs.pointer)
      saveInPairs(MF);
    else if (!hasFramePointer(MF))
      MFI.setFrameAddressIsTaken(true);

    int64_t Top = Needs.above - OwnAbove;
    auto Map = [&](int FI) {
      Top = alignTo(Top + MFI.getObjectSize(FI), MFI.getObjectAlign(FI));
      MFI.mapLocalFrameObject(FI, -Top);
    };
    auto MapUniform = [&](int FI) {
      if (FI >= 0)
        Map(FI);
      Top = alignTo(Top, 16);
    };
    auto MapPrivate = [&] {
      int64_t End = Top + Needs.spills;
      for (int FI : Private)
        Map(FI);
      Top = End;
    };
    MapUniform(Uniform.Locals);
    // From the top: what is next to a frame pointer comes first, what is next to the stack pointer last.
    bool SlotsNear = Needs.slot_accesses > Needs.spill_accesses;
    if (SlotsNear == Needs.pointer)
      MapUniform(Uniform.Slots);
    MapPrivate();
    if (SlotsNear != Needs.pointer)
      MapUniform(Uniform.Slots);
    MFI.setLocalFrameSize(Top + Needs.bottom - OwnBottom);
    MFI.setLocalFrameMaxAlign(Align(16));
    MFI.setUseLocalStackAllocationBlock(true);
    return true;
  }
};

char Place::ID;

// Reports the frame as it came out, so that the host can compare both ISAs.
struct FrameReport : twin::MachinePass {
  static char ID;
  FrameReport() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: report the frame"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    if (!twin::hasUniformCalls(MF))
      return false;
    const MachineFrameInfo &MFI = MF.getFrameInfo();
    UniformObjects Uniform(MFI);
    auto Offset = [&](int FI) { return FI < 0 ? 0 : MFI.getObjectOffset(FI); };
    // x86 does not count the return address as part of the frame; its local area starts below it.
    int64_t ReturnAddress = -MF.getSubtarget().getFrameLowering()->getOffsetOfLocalArea();
    uint64_t Size = MFI.getStackSize() + ReturnAddress;
    std::string Name = MF.getName().str();
    twin::Host->frame(twin::Host->context, Name.c_str(), Size, Offset(Uniform.Locals), Offset(Uniform.Slots));
    return false;
  }
};

char FrameReport::ID;

} // namespace

MachineFunctionPass *twin::createPlacePass() { return new Place; }
MachineFunctionPass *twin::createFrameReportPass() { return new FrameReport; }
