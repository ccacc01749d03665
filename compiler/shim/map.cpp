// Moves between registers and slots around a poll become a map, whose address is in the table of polls and which the runtime
// follows (runtime/rt/poll.c): they are no code any more. Runs when the frame is laid out.
//
// A map is a number of 16-bit words (its highest bit says whether one names a vector register) and so many words. A word
// is, from the lowest bit: the register (5 bits), whether it is a vector register (1), the binary logarithm of how many bytes are moved, or of how many times four for a vector (2), saved (1),
// loaded (1), the slot's distance from the stack pointer in units of that size (6), or 63: the next word is that
// distance in bytes. The rest of a register that is loaded is cleared. 32 bytes of
// a vector say that there is no register: what it would hold is where the register allocator has spilled it, at the
// distance in the next word. The bits of the register then are the logarithms of the length of the slot (3 bits) and of how
// many times as much is cleared there when it is loaded (2).
#include "shim.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/CodeGen/LiveRegUnits.h"
#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetFrameLowering.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetLowering.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/MC/MCSymbol.h"

using namespace llvm;

namespace {

/// The polls of the function that is compiled, by the label behind the call.
thread_local DenseMap<const MCSymbol *, std::vector<uint16_t>> Maps;

/// What a plain load or store moves, by its name: bytes, negative for a vector register.
const StringMap<int> &plainMoves() {
  static const StringMap<int> Moves = [] {
    StringMap<int> Moves;
    // x86-64
    for (auto [Name, Bytes] : {std::pair("8", 1), {"16", 2}, {"32", 4}, {"64", 8}}) {
      Moves[Twine("MOV").concat(Name).concat("mr").str()] = Bytes;
      Moves[Twine("MOV").concat(Name).concat("rm").str()] = Bytes;
    }
    Moves["MOVZX32rm8"] = 1;
    Moves["MOVZX32rm16"] = 2;
    for (std::string V : {"", "V"}) {
      Moves[V + "MOVPQI2QImr"] = Moves[V + "MOVQI2PQIrm"] = -8;
      for (auto [Name, Bytes] : {std::pair("SS", -4), {"SD", -8}}) {
        Moves[V + "MOV" + Name + "mr"] = Moves[V + "MOV" + Name + "rm"] = Moves[V + "MOV" + Name + "rm_alt"] = Bytes;
      }
      for (const char *Name : {"APS", "UPS", "APD", "UPD", "DQA", "DQU"})
        Moves[V + "MOV" + Name + "mr"] = Moves[V + "MOV" + Name + "rm"] = -16;
    }
    // AArch64
    for (auto [Name, Bytes] : {std::pair("BB", 1), {"HH", 2}, {"W", 4}, {"X", 8}, {"S", -4}, {"D", -8}, {"Q", -16}})
      for (std::string Way : {"LD", "ST"}) {
        Moves[Way + "R" + Name + "ui"] = Bytes;
        Moves[Way + "UR" + Name + "i"] = Bytes;
      }
    return Moves;
  }();
  return Moves;
}

/// Bytes of the frame, by their distance from the stack pointer.
struct Range {
  int64_t Begin, End;
  int64_t bytes() const { return End - Begin; }
  bool overlaps(const Range &Other) const { return Begin < Other.End && Other.Begin < End; }
};

/// A plain load or store of a slot.
struct Move {
  MCRegister Register;
  /// What the register holds does not matter (define.cpp).
  bool IsUndefined;
  unsigned Number;
  bool IsVector;
  Range Slot;
  /// Where the value is instead of in the register.
  std::optional<Range> Spilled = std::nullopt;
  bool Saved = false, Loaded = false;

  bool isSamePlace(const Move &Other) const {
    bool SameSource = Spilled ? Other.Spilled && Spilled->Begin == Other.Spilled->Begin
                              : !Other.Spilled && Number == Other.Number && IsVector == Other.IsVector;
    return SameSource && Slot.Begin == Other.Slot.Begin && Slot.End == Other.Slot.End;
  }

  /// Whether both are saved, or both loaded, and one order would be something else than the other: one writes what the other
  /// one reads or writes.
  bool clashes(const Move &Other) const {
    if (!(Saved && Other.Saved) && !(Loaded && Other.Loaded))
      return false;
    auto Overlap = [](const std::optional<Range> &A, const std::optional<Range> &B) { return A && B && A->overlaps(*B); };
    bool SameTarget = Saved ? Slot.overlaps(Other.Slot) : Overlap(Spilled, Other.Spilled);
    return SameTarget || Overlap(Slot, Other.Spilled) || Overlap(Spilled, Other.Slot);
  }

  void encode(std::vector<uint16_t> &Map) const {
    constexpr unsigned OffsetFollows = 63, NoRegister = 1 << 5 | 3 << 6;
    uint64_t Bytes = Slot.bytes(), Unit = Slot.Begin / Bytes;
    bool Follows = Slot.Begin % Bytes != 0 || Unit >= OffsetFollows;
    unsigned Place = Spilled ? Log2_64(Bytes) | Log2_64(Spilled->bytes() / Bytes) << 3 | NoRegister
                             : Number | IsVector << 5 | Log2_64(IsVector ? Bytes / 4 : Bytes) << 6;
    Map.push_back(Place | Saved << 8 | Loaded << 9 | (Follows ? OffsetFollows : Unit) << 10);
    if (Follows)
      Map.push_back(Slot.Begin);
    if (Spilled)
      Map.push_back(Spilled->Begin);
  }
};

bool overlapsAny(ArrayRef<Range> Ranges, const Range &Other) {
  return any_of(Ranges, [&](const Range &R) { return R.overlaps(Other); });
}

struct MapPolls : twin::MachinePass {
  static char ID;
  MapPolls() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: map registers of polls"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    Maps.clear();
    SmallVector<MachineInstr *, 16> Polls;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        if (twin::isPollCall(MI))
          Polls.push_back(&MI);
    for (MachineInstr *Call : Polls)
      map(*Call);
    return !Polls.empty();
  }

private:
  void map(MachineInstr &Call) {
    std::vector<Move> Moves;
    takeSaves(Call, Moves);
    takeLoads(Call, Moves);
    std::vector<uint16_t> Map{0};
    for (const Move &M : Moves)
      M.encode(Map);
    bool NamesVectors = any_of(Moves, [](const Move &M) { return M.IsVector && !M.Spilled; });
    Map[0] = (Map.size() - 1) | NamesVectors << 15;
    Maps[Call.getPostInstrSymbol()] = std::move(Map);
  }

  // Stores that can as well happen at the call.
  void takeSaves(MachineInstr &Call, std::vector<Move> &Moves) {
    MachineBasicBlock &MBB = *Call.getParent();
    const TargetRegisterInfo &TRI = *MBB.getParent()->getSubtarget().getRegisterInfo();
    // Of what stays an instruction in front of the call.
    LiveRegUnits Written = writtenBy(Call, TRI), Live(TRI);
    SmallVector<Range, 8> Accessed;
    SmallVector<MachineInstr *, 16> Between;
    for (auto I = std::next(MachineBasicBlock::reverse_iterator(Call)); I != MBB.rend();) {
      MachineInstr &MI = *I++;
      if (MI.isDebugInstr())
        continue;
      if (isBarrier(MI))
        break;
      std::optional<Move> M = MI.mayStore() ? move(MI) : std::nullopt;
      if (M && !overlapsAny(Accessed, M->Slot)) {
        M->Saved = true;
        MachineInstr *Load = Live.available(M->Register) ? spillBefore(MI, *M, TRI) : nullptr;
        if (Load && !overlapsAny(Accessed, *M->Spilled) && !clashesWithAny(*M, Moves)) {
          Moves.push_back(*M);
          if (I != MBB.rend() && &*I == Load)
            ++I;
          Load->eraseFromParent();
          MI.eraseFromParent();
          continue;
        }
        M->Spilled.reset();
        if (Written.available(M->Register) && !clashesWithAny(*M, Moves)) {
          Moves.push_back(*M);
          Live.addReg(M->Register);
          Call.addOperand(*MBB.getParent(),
                          MachineOperand::CreateReg(M->Register, /*isDef=*/false, /*isImp=*/true, /*isKill=*/false,
                                                    /*isDead=*/false, M->IsUndefined));
          for (MachineInstr *Other : Between)
            Other->clearRegisterKills(M->Register, &TRI);
          MI.eraseFromParent();
          continue;
        }
      }
      if (!noteAccess(MI, Accessed))
        break;
      Between.push_back(&MI);
      Live.stepBackward(MI);
      for (const MachineOperand &Def : MI.all_defs())
        Written.addReg(Def.getReg());
    }
  }

  // The load of the value that `Store` saves from where it has been spilled, if that is all it is for.
  static MachineInstr *spillBefore(MachineInstr &Store, Move &Save, const TargetRegisterInfo &TRI) {
    MachineBasicBlock &MBB = *Store.getParent();
    SmallVector<Range, 8> Stored;
    for (MachineInstr &MI : make_range(std::next(MachineBasicBlock::reverse_iterator(Store)), MBB.rend())) {
      if (MI.isDebugInstr())
        continue;
      if (isBarrier(MI))
        return nullptr;
      if (MI.modifiesRegister(Save.Register, &TRI)) {
        std::optional<Move> Load = MI.mayLoad() ? move(MI) : std::nullopt;
        if (!Load || !TRI.isSubRegisterEq(Load->Register, Save.Register) || overlapsAny(Stored, Load->Slot) ||
            Load->Slot.bytes() < Save.Slot.bytes())
          return nullptr;
        Save.Spilled = Range{Load->Slot.Begin, Load->Slot.Begin + Save.Slot.bytes()};
        return &MI;
      }
      if (MI.readsRegister(Save.Register, &TRI))
        return nullptr;
      if (MI.mayStore() && !noteAccess(MI, Stored))
        return nullptr;
    }
    return nullptr;
  }

  static bool clashesWithAny(const Move &M, ArrayRef<Move> Moves) {
    return any_of(Moves, [&](const Move &Other) { return M.clashes(Other); });
  }

  // Loads that can as well happen right behind the call.
  void takeLoads(MachineInstr &Call, std::vector<Move> &Moves) {
    MachineBasicBlock &MBB = *Call.getParent();
    const TargetRegisterInfo &TRI = *MBB.getParent()->getSubtarget().getRegisterInfo();
    LiveRegUnits Touched = writtenBy(Call, TRI);
    SmallVector<Range, 8> Loaded, Stored;
    size_t Saves = Moves.size();
    auto Take = [&](Move M) {
      auto Same = std::find_if(Moves.begin(), Moves.begin() + Saves, [&](const Move &Save) { return Save.isSamePlace(M); });
      M.Saved = Same != Moves.begin() + Saves;
      if (Same == Moves.begin() + Saves)
        Moves.push_back(M);
      else
        *Same = M;
    };
    for (auto I = std::next(MachineBasicBlock::iterator(Call)); I != MBB.end();) {
      MachineInstr &MI = *I++;
      if (MI.isDebugInstr())
        continue;
      if (isBarrier(MI))
        break;
      std::optional<Move> M = MI.mayLoad() ? move(MI) : std::nullopt;
      if (M && !overlapsAny(Stored, M->Slot)) {
        M->Loaded = true;
        auto Next = skipDebugInstructionsForward(I, MBB.end());
        M->Spilled = Next == MBB.end() ? std::nullopt : spilledBy(*Next, *M, TRI);
        if (M->Spilled && !overlapsAny(Loaded, *M->Spilled) && !overlapsAny(Stored, *M->Spilled) &&
            !clashesWithAny(*M, Moves)) {
          Take(*M);
          I = std::next(Next);
          Next->eraseFromParent();
          MI.eraseFromParent();
          continue;
        }
        M->Spilled.reset();
        if (Touched.available(M->Register) && !clashesWithAny(*M, Moves)) {
          Take(*M);
          for (const MachineOperand &Def : MI.all_defs())
            Call.addOperand(*MBB.getParent(), MachineOperand::CreateReg(Def.getReg(), /*isDef=*/true, /*isImp=*/true));
          Touched.addReg(M->Register);
          MI.eraseFromParent();
          continue;
        }
      }
      if (!noteAccess(MI, MI.mayStore() ? Stored : Loaded))
        break;
      for (const MachineOperand &Op : MI.operands())
        if (Op.isReg() && Op.getReg())
          Touched.addReg(Op.getReg());
    }
  }

  // Where `MI` spills what has been loaded, if that is all it has been loaded for.
  static std::optional<Range> spilledBy(const MachineInstr &MI, const Move &Load, const TargetRegisterInfo &TRI) {
    std::optional<Move> Store = MI.mayStore() && !isBarrier(MI) ? move(MI) : std::nullopt;
    if (!Store || !TRI.regsOverlap(Store->Register, Load.Register) || !MI.killsRegister(Load.Register, &TRI) ||
        Store->Slot.bytes() < Load.Slot.bytes())
      return std::nullopt;
    return Store->Slot;
  }

  // What nothing moves across. Prologues and epilogues move the stack pointer.
  static bool isBarrier(const MachineInstr &MI) {
    return MI.getFlag(MachineInstr::FrameSetup) || MI.getFlag(MachineInstr::FrameDestroy) || MI.isCall() ||
           MI.isTerminator() || MI.isPosition() || MI.isInlineAsm() || MI.hasUnmodeledSideEffects() ||
           (MI.mayLoadOrStore() && MI.hasOrderedMemoryRef());
  }

  // Registers that the call writes on its way.
  static LiveRegUnits writtenBy(const MachineInstr &Call, const TargetRegisterInfo &TRI) {
    LiveRegUnits Units(TRI);
    for (const MachineOperand &Def : Call.all_defs())
      Units.addReg(Def.getReg());
    return Units;
  }

  // Where in the frame `MI` accesses memory, and the operand that is the base of the address.
  static std::optional<Range> accessed(const MachineInstr &MI, const MachineOperand **Base = nullptr) {
    const MachineFunction &MF = *MI.getMF();
    const TargetSubtargetInfo &Target = MF.getSubtarget();
    const TargetRegisterInfo &TRI = *Target.getRegisterInfo();
    SmallVector<const MachineOperand *, 2> Bases;
    int64_t Offset;
    bool IsScalable;
    LocationSize Bytes = LocationSize::precise(0);
    if (!Target.getInstrInfo()->getMemOperandsWithOffsetWidth(MI, Bases, Offset, IsScalable, Bytes, &TRI) || IsScalable ||
        Bases.size() != 1 || !Bases[0]->isReg() || !Bytes.isPrecise())
      return std::nullopt;
    Register SP = Target.getTargetLowering()->getStackPointerRegisterToSaveRestore();
    if (Bases[0]->getReg() != SP) {
      // The frame pointer is at CFA-16.
      if (Bases[0]->getReg() != TRI.getFrameRegister(MF))
        return std::nullopt;
      int64_t Size = int64_t(MF.getFrameInfo().getStackSize()) - Target.getFrameLowering()->getOffsetOfLocalArea();
      Offset += Size - 16;
    }
    if (Base)
      *Base = Bases[0];
    return Range{Offset, Offset + int64_t(Bytes.getValue())};
  }

  // Adds what `MI` accesses to `Ranges`; tells whether that is known.
  static bool noteAccess(const MachineInstr &MI, SmallVectorImpl<Range> &Ranges) {
    if (!MI.mayLoadOrStore() || MI.isDereferenceableInvariantLoad())
      return true;
    std::optional<Range> R = accessed(MI);
    if (R)
      Ranges.push_back(*R);
    return R.has_value();
  }

  // What `MI` moves, if it is a plain load or store.
  static std::optional<Move> move(const MachineInstr &MI) {
    const MachineFunction &MF = *MI.getMF();
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    auto Found = plainMoves().find(MF.getSubtarget().getInstrInfo()->getName(MI.getOpcode()));
    const MachineOperand *Base;
    std::optional<Range> Slot;
    if (Found == plainMoves().end() || !(Slot = accessed(MI, &Base)))
      return std::nullopt;
    int64_t Bytes = std::abs(Found->second);
    if (Slot->Begin < 0 || Slot->Begin > UINT16_MAX || Slot->bytes() != Bytes)
      return std::nullopt;
    for (const MachineOperand &Op : MI.explicit_operands())
      if (Op.isReg() && Op.getReg() && &Op != Base) {
        MCRegister Register = Op.getReg().asMCReg();
        // The second byte of a register has the number of another one.
        bool IsHigh = any_of(StringRef("ABCD"), [&](char C) { return TRI.getName(Register) == (Twine(C) + "H").str(); });
        if (IsHigh || (MF.getRegInfo().isReserved(Register) && !MF.getRegInfo().isConstantPhysReg(Register)))
          return std::nullopt;
        return Move{Register, Op.isUse() && Op.isUndef(), TRI.getEncodingValue(Register), Found->second < 0, *Slot};
      }
    return std::nullopt;
  }
};

char MapPolls::ID;

} // namespace

const std::vector<uint16_t> &twin::mapOf(const MCSymbol *Label) {
  auto Found = Maps.find(Label);
  if (Found == Maps.end())
    report_fatal_error("a poll has no map");
  return Found->second;
}

MachineFunctionPass *twin::createMapPass() { return new MapPolls; }
