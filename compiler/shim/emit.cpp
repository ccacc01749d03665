// Writes the object of one ISA. LLVM's printer puts the code into fragments, as ever. Places for padding become fragments
// without contents; when all functions are there and nothing has been laid out yet, the host is told what code there is
// (compiler/src/align), and says how long padding and branches are to be. The object has a table with the offsets that
// came out.
#include "row.h"
#include "shim.h"

#include "llvm-c/TargetMachine.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/CodeGen/AsmPrinter.h"
#include "llvm/CodeGen/AsmPrinterHandler.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/TargetOpcodes.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCAsmBackend.h"
#include "llvm/MC/MCAssembler.h"
#include "llvm/MC/MCCodeEmitter.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCExpr.h"
#include "llvm/MC/MCInstBuilder.h"
#include "llvm/MC/MCObjectStreamer.h"
#include "llvm/MC/MCObjectWriter.h"
#include "llvm/MC/MCSection.h"
#include "llvm/MC/MCSectionELF.h"
#include "llvm/MC/MCSymbol.h"
#include "llvm/MC/MCValue.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

#include <cstring>
#include <map>
#include <optional>
#include <utility>

using namespace llvm;

namespace {

// Section with the offsets of all sites from the begins of their functions; the linker drops it.
constexpr const char *OffsetsName = ".twin.offsets";
// Section with five words for each poll (linker/src/polls.rs).
constexpr const char *PollsName = ".twin.polls";
// Section with the maps of polls.
constexpr const char *MapsName = ".rodata.twin.maps";

// Items of a list, in the order of the code (compiler/src/codegen/shim.rs).
enum Kind : uint32_t { Section, Bytes, Alignment, Padding, Branch, Label, Begin, Site, End, BarePoll, Row, Landing };

struct Poll {
  /// The access.
  MCSymbol *Place;
  /// The block in which control goes on if it faults; none if the poll is bare.
  MCSymbol *Cold = nullptr;
  /// What is behind the call, or behind the access if it is bare; where it goes on behind the call; the map; the number of its site. None if the
  /// other ISA found it to be unreachable.
  MCSymbol *Behind = nullptr, *Resume = nullptr, *Map = nullptr;
  uint32_t Site = 0;
  /// If it is bare, the row of the call frame information, and what its call returns to, from the begin of the function.
  uint32_t Row = 0, Return = 0;
  /// If that is behind a landing, how far behind all other code.
  uint32_t Landing = 0;
};

// What the printer made of one function.
struct Function {
  std::string Name;
  MCSymbol *Begin, *End = nullptr;
  std::vector<std::pair<MCSymbol *, uint32_t>> Sites;
  std::vector<Poll> Polls;
  /// If there are bare polls, the rows of the call frame information, and where each begins.
  std::optional<twin::FrameRows> Frame;
  std::vector<std::pair<MCSymbol *, uint32_t>> Rows;
  /// Its call frame information among all, if it has any.
  std::optional<size_t> Described;
};

class Marks : public AsmPrinterHandler {
  AsmPrinter &Printer;
  std::vector<Function> Functions;
  /// Of the whole module: polls with equal maps share one.
  std::map<std::vector<uint16_t>, MCSymbol *> Maps;
  /// Empty tails of fragments: padding and whether control runs through it; landings of a function; what follows a branch of fixed
  /// length.
  DenseMap<const MCFragment *, bool> Paddings;
  DenseMap<const MCFragment *, size_t> Landings;
  DenseMap<const MCFragment *, MCInst> Jumps;
  const MachineInstr *Current = nullptr;
  /// How many functions with call frame information there were so far.
  size_t Described = 0;
  /// There is a place for the padding of the next site.
  bool Chosen = false;

  MCObjectStreamer &out() { return static_cast<MCObjectStreamer &>(*Printer.OutStreamer); }
  MCAssembler &assembler() { return out().getAssembler(); }
  const MCSubtargetInfo &subtarget() { return Printer.MF->getSubtarget(); }

  /// Ends the current fragment with a tail without contents.
  MCFragment *tail() {
    MCFragment *F = out().getCurrentFragment();
    out().emitInstToFragment(Printer.MF->getSubtarget().getInstrInfo()->getNop(), subtarget());
    F->clearVarContents();
    F->clearVarFixups();
    return F;
  }

  void pad(bool Executed) { Paddings[tail()] = Executed; }

public:
  explicit Marks(AsmPrinter &Printer) : Printer(Printer) {}

  void beginFunction(const MachineFunction *MF) override {
    Functions.push_back({MF->getName().str(), Printer.CurrentFnSym});
    Chosen = false;
    if (any_of(*MF, [](const MachineBasicBlock &MBB) { return any_of(MBB, isBare); }))
      Functions.back().Frame.emplace(*Printer.MAI);
  }

  void beginInstruction(const MachineInstr *MI) override {
    Current = MI;
    if (MI->getOpcode() == TargetOpcode::ANNOTATION_LABEL) {
      StringRef Name = MI->getOperand(0).getMCSymbol()->getName();
      if (Name.starts_with(".Ltwin")) {
        pad(Name.starts_with(".Ltwinexecuted"));
        Chosen = true;
      }
    } else if (twin::isUniformCall(*MI)) {
      if (!Chosen)
        pad(true);
      Chosen = false;
      Functions.back().Sites.push_back({MI->getPostInstrSymbol(), twin::siteOf(*MI)});
    } else if (twin::isPoll(*MI)) {
      Functions.back().Polls.push_back(poll(*MI));
    }
  }

  void endInstruction() override {
    if (Current->isConditionalBranch())
      cut();
    if (Function &F = Functions.back(); Current->isCFIInstruction() && F.Frame) {
      F.Frame->follow(Printer.MF->getFrameInstructions()[Current->getOperand(0).getCFIIndex()]);
      F.Rows.push_back({out().getContext().createTempSymbol(), F.Frame->number()});
      out().emitLabel(F.Rows.back().first);
    }
  }

  /// The label at the end is there already, behind all others, and so is that of the call frame information.
  void markFunctionEnd() override {
    Function &F = Functions.back();
    F.End = Printer.getFunctionEnd();
    std::vector<MCSymbol *> Labels{F.End};
    if (ArrayRef<MCDwarfFrameInfo> Frames = out().getDwarfFrameInfos(); Frames.size() > Described) {
      Described = Frames.size();
      F.Described = Described - 1;
      Labels.push_back(Frames.back().End);
    }
    MCFragment *Last = out().getCurrentFragment();
    pad(false);
    if (F.Frame)
      Landings[tail()] = Functions.size() - 1;
    for (MCSymbol *Label : Labels)
      if (Label->getFragment() == Last) {
        Label->setFragment(out().getCurrentFragment());
        Label->setOffset(0);
      }
  }

  void endFunction(const MachineFunction *) override {}

  void endModule() override {
    List Code = list();
    for (const Function &F : Functions)
      Code.Names.push_back(F.Name.c_str());
    if (twin::Host->align(twin::Host->context, Code.Items.data(), Code.Items.size(), Code.Names.data(),
                          Code.Names.size()) < 0)
      return;
    for (size_t N = 0; N < Code.Items.size(); ++N)
      apply(Code.Items[N], Code.Fragments[N]);
    tabulate();
  }

private:
  struct List {
    std::vector<TwinItem> Items;
    /// The fragment of each item that is padding or a branch.
    std::vector<MCFragment *> Fragments;
    std::vector<const char *> Names;

    void add(uint32_t Kind, uint32_t Number = 0, int64_t A = 0, int64_t B = 0, int64_t C = 0, int64_t D = 0,
             MCFragment *F = nullptr) {
      Items.push_back({Kind, Number, A, B, C, D});
      Fragments.push_back(F);
    }
  };

  static bool isBare(const MachineInstr &MI) { return twin::isPoll(MI) && !twin::coldBlock(MI); }

  Poll poll(const MachineInstr &Access) {
    Poll P{Access.getPreInstrSymbol()};
    const MachineInstr *Call = &Access;
    if (const MachineBasicBlock *Cold = twin::coldBlock(Access)) {
      P.Cold = Cold->getSymbol();
      auto Found = find_if(*Cold, twin::isPollCall);
      if (Found == Cold->end())
        return P;
      Call = &*Found;
    } else {
      P.Row = Functions.back().Frame->number();
    }
    P.Behind = P.Resume = Call->getPostInstrSymbol();
    if (const MachineBasicBlock *Resume = P.Cold ? nullptr : twin::resumeBlock(Access))
      P.Resume = Resume->getSymbol();
    P.Site = twin::siteOf(*Call);
    MCSymbol *&Map = Maps[twin::mapOf(P.Behind)];
    if (!Map)
      Map = out().getContext().createTempSymbol();
    P.Map = Map;
    return P;
  }

  /// Gives a branch of fixed length, which was just emitted, a place for a jump behind it, with which it reaches further.
  void cut() {
    MCFragment *F = out().getCurrentFragment();
    if (F->getFixups().empty() || !F->getFixups().back().isPCRel())
      return;
    static const size_t Length = 4;
    if (F->getFixups().back().getOffset() + Length != F->getFixedSize())
      return;
    static const unsigned Jump = twin::opcodeNamed(*Printer.MF->getSubtarget().getInstrInfo(), "B");
    MCInst Inst = MCInstBuilder(Jump).addExpr(F->getFixups().back().getValue());
    Jumps[tail()] = Inst;
  }

  /// Where `Fixup` leads to if the assembler alone knows how far that is.
  const MCSymbol *target(const MCFragment &F, MCFixup Fixup, MCValue &Value) {
    if (!Fixup.getValue()->evaluateAsRelocatable(Value, nullptr) || !Fixup.isPCRel())
      return nullptr;
    uint64_t Unused = 0;
    assembler().getBackend().evaluateFixup(F, Fixup, Value, Unused);
    const MCSymbol *Symbol = Value.getAddSym();
    bool Known = Symbol && !Value.getSubSym() && !Value.getSpecifier() && Symbol->isInSection() &&
                 &Symbol->getSection() == F.getParent() &&
                 assembler().getWriter().isSymbolRefDifferenceFullyResolvedImpl(*Symbol, F, false, true);
    return Known ? Symbol : nullptr;
  }

  /// The longer form of the branch at the end of `F`, if there is one.
  bool longer(MCFragment &F, MCInst &Inst) {
    if (auto Found = Jumps.find(&F); Found != Jumps.end()) {
      Inst = Found->second;
      return true;
    }
    MCAsmBackend &Backend = assembler().getBackend();
    if (F.getKind() != MCFragment::FT_Relaxable ||
        !Backend.mayNeedRelaxation(F.getOpcode(), F.getOperands(), *F.getSubtargetInfo()))
      return false;
    Inst = F.getInst();
    Backend.relaxInstruction(Inst, *F.getSubtargetInfo());
    return true;
  }

  void encode(const MCFragment &F, const MCInst &Inst, SmallVectorImpl<char> &Data, SmallVectorImpl<MCFixup> &Fixups) {
    assembler().getEmitter().encodeInstruction(Inst, Data, Fixups, *F.getSubtargetInfo());
  }

  const MCFixup &fixupOf(MCFragment &F) { return Jumps.contains(&F) ? F.getFixups().back() : F.getVarFixups().front(); }

  /// The code of all functions.
  List list() {
    // What is at an offset in the fixed part of a fragment.
    struct Point {
      uint64_t Offset;
      uint32_t Kind, Number;
      int64_t Of;
    };
    DenseMap<const MCFragment *, SmallVector<Point, 2>> Points;
    SetVector<MCSection *> Sections;
    auto Put = [&](const MCSymbol *Symbol, uint32_t Kind, uint32_t Number, int64_t Of = 0) {
      Points[Symbol->getFragment()].push_back({Symbol->getOffset(), Kind, Number, Of});
    };
    for (auto [N, F] : enumerate(Functions)) {
      Sections.insert(&F.Begin->getSection());
      Put(F.Begin, Begin, N);
      for (auto [Symbol, Number] : F.Sites)
        Put(Symbol, Site, Number, N);
      for (const Poll &P : F.Polls)
        if (!P.Cold)
          Put(P.Behind, BarePoll, P.Site, N);
      for (auto [Symbol, Number] : F.Rows)
        Put(Symbol, Row, Number, N);
      Put(F.End, End, N);
    }
    DenseMap<const MCSymbol *, uint32_t> Labels;
    for (MCSection *Section : Sections)
      for (MCFragment &F : *Section) {
        MCValue Value;
        MCInst Inst;
        if (longer(F, Inst))
          if (const MCSymbol *Symbol = target(F, fixupOf(F), Value))
            if (Labels.try_emplace(Symbol, Labels.size()).second)
              Put(Symbol, Label, Labels[Symbol]);
      }
    List Code;
    for (MCSection *Section : Sections) {
      Code.add(Kind::Section);
      for (MCFragment &F : *Section) {
        auto &Here = Points[&F];
        stable_sort(Here, [](const Point &A, const Point &B) { return A.Offset < B.Offset; });
        uint64_t Offset = 0;
        auto GoTo = [&](uint64_t To) {
          if (To > Offset)
            Code.add(Bytes, 0, To - Offset);
          Offset = To;
        };
        for (const Point &P : Here) {
          GoTo(P.Offset);
          Code.add(P.Kind, P.Number, P.Of);
        }
        addTail(Code, F, Labels, GoTo);
      }
    }
    return Code;
  }

  template <typename F>
  void addTail(List &Code, MCFragment &Fragment, const DenseMap<const MCSymbol *, uint32_t> &Labels, F GoTo) {
    MCInst Inst;
    switch (Fragment.getKind()) {
    case MCFragment::FT_Align:
      GoTo(Fragment.getFixedSize());
      return Code.add(Alignment, 0, Fragment.getAlignment().value(), Fragment.getAlignMaxBytesToEmit());
    case MCFragment::FT_Relaxable:
      break;
    default:
      return GoTo(assembler().computeFragmentSize(Fragment));
    }
    GoTo(Fragment.getFixedSize());
    if (auto Found = Paddings.find(&Fragment); Found != Paddings.end())
      return Code.add(Padding, 0, Found->second, 0, 0, 0, &Fragment);
    if (auto Found = Landings.find(&Fragment); Found != Landings.end())
      return Code.add(Landing, 0, Found->second, 0, 0, 0, &Fragment);
    if (!longer(Fragment, Inst))
      return GoTo(Fragment.getSize());
    SmallVector<char, 16> Data;
    SmallVector<MCFixup, 1> Fixups;
    encode(Fragment, Inst, Data, Fixups);
    const MCFixup &Fixup = fixupOf(Fragment);
    MCValue Value;
    const MCSymbol *Symbol = target(Fragment, Fixup, Value);
    uint32_t Number = Symbol ? Labels.lookup(Symbol) : UINT32_MAX;
    if (!Symbol && (Jumps.contains(&Fragment) ||
                    !assembler().getBackend().fixupNeedsRelaxationAdvanced(Fragment, Fixup, Value, 0, false)))
      return GoTo(Fragment.getSize());
    int64_t Bits = assembler().getBackend().getFixupKindInfo(Fixup.getKind()).TargetSize;
    int64_t Bias = Value.getConstant() + int64_t(Fragment.getFixedSize()) - int64_t(Fixup.getOffset());
    Code.add(Branch, Number, Fragment.getVarSize(), Data.size(), Bias, Bits, &Fragment);
  }

  /// Does what the host has decided on.
  void apply(const TwinItem &Item, MCFragment *F) {
    if (Item.kind == Padding) {
      fill(*F, Item.b, Item.a);
    } else if (Item.kind == Landing) {
      fill(*F, Item.b, false);
      describe(Functions[Item.a], *F);
    } else if (Item.kind == Branch && Item.a) {
      SmallVector<char, 16> Data;
      SmallVector<MCFixup, 1> Fixups;
      MCInst Inst;
      longer(*F, Inst);
      encode(*F, Inst, Data, Fixups);
      if (Jumps.contains(F))
        jumpOver(*F);
      else
        F->setInst(Inst);
      F->setVarContents(Data);
      F->setVarFixups(Fixups);
    } else if (Item.kind == BarePoll) {
      auto &Polls = Functions[Item.a].Polls;
      auto P = find_if(Polls, [&](const Poll &P) { return !P.Cold && P.Site == Item.number; });
      P->Return = Item.b;
      P->Landing = Item.c;
    }
  }

  /// Makes padding the contents of a tail.
  void fill(MCFragment &F, uint64_t Length, bool Executed) {
    if (!Length)
      return;
    SmallVector<char, 64> Data(Length);
    twin::Host->padding(twin::Host->context, Executed, Length, reinterpret_cast<uint8_t *>(Data.data()));
    F.setVarContents(Data);
  }

  /// Has the call frame information say of each landing what it says of the bare poll.
  void describe(Function &Of, MCFragment &F) {
    std::map<uint32_t, uint32_t> Rows;
    for (const Poll &P : Of.Polls)
      if (P.Landing)
        Rows[P.Landing] = P.Row;
    uint32_t Begin = 0;
    for (auto [End, Row] : Rows) {
      MCSymbol *Here = out().getContext().createTempSymbol();
      Here->setFragment(&F);
      Here->setOffset(F.getFixedSize() + std::exchange(Begin, End));
      // Nobody has written it yet. The list as such belongs to the streamer, which would add to the last function only.
      auto &Info = const_cast<MCDwarfFrameInfo &>(out().getDwarfFrameInfos()[*Of.Described]);
      Of.Frame->goTo(Row, Here, Info.Instructions);
    }
  }

  /// Makes the branch at the end of the fixed part of `F` its opposite, to behind the tail.
  void jumpOver(MCFragment &F) {
    MCSymbol *Behind = out().getContext().createTempSymbol();
    Behind->setFragment(F.getNext());
    Behind->setOffset(0);
    MCFixup &Fixup = F.getFixups().back();
    Fixup = MCFixup::create(Fixup.getOffset(), MCSymbolRefExpr::create(Behind, out().getContext()), Fixup.getKind(), true);
    char *Word = F.getContents().data() + Fixup.getOffset();
    support::endian::write32le(Word, twin::Host->opposite(twin::Host->context, support::endian::read32le(Word)));
  }

  void tabulate() {
    MCContext &Context = out().getContext();
    out().pushSection();
    out().switchSection(Context.getELFSection(OffsetsName, ELF::SHT_PROGBITS, ELF::SHF_EXCLUDE));
    for (const Function &F : Functions) {
      for (auto [Symbol, Number] : F.Sites)
        out().emitAbsoluteSymbolDiff(Symbol, F.Begin, 4);
      out().emitAbsoluteSymbolDiff(F.End, F.Begin, 4);
    }
    if (!Maps.empty())
      out().switchSection(Context.getELFSection(MapsName, ELF::SHT_PROGBITS, ELF::SHF_ALLOC));
    for (const auto &[Map, Symbol] : Maps) {
      out().emitLabel(Symbol);
      for (uint16_t Word : Map)
        out().emitIntValue(Word, sizeof Word);
    }
    if (any_of(Functions, [](const Function &F) { return !F.Polls.empty(); })) {
      out().switchSection(Context.getELFSection(PollsName, ELF::SHT_PROGBITS, ELF::SHF_ALLOC));
      for (const Function &F : Functions)
        for (const Poll &P : F.Polls)
          tabulate(F, P);
      // Bare polls do not mention what they stand for a call of.
      out().emitSymbolAttribute(Context.getOrCreateSymbol(twin::PollName), MCSA_Global);
    }
    out().popSection();
  }

  void tabulate(const Function &F, const Poll &P) {
    constexpr unsigned Word = 4;
    auto Emit = [&](const MCSymbol *Symbol) {
      if (Symbol)
        out().emitSymbolValue(Symbol, Word);
      else
        out().emitIntValue(0, Word);
    };
    Emit(P.Place);
    if (P.Cold) {
      out().emitAbsoluteSymbolDiff(P.Cold, P.Place, Word);
      Emit(P.Behind);
    } else {
      MCContext &Context = out().getContext();
      out().emitIntValue(0, Word);
      out().emitValue(MCBinaryExpr::createAdd(MCSymbolRefExpr::create(F.Begin, Context),
                                              MCConstantExpr::create(P.Return, Context), Context),
                      Word);
    }
    Emit(P.Resume);
    Emit(P.Map);
  }
};

/// Has the printer keep marks.
struct Passes : legacy::PassManager {
  void add(Pass *P) override {
    if (P->getPassName().ends_with("Assembly Printer")) {
      auto &Printer = static_cast<AsmPrinter &>(*P);
      Printer.addAsmPrinterHandler(std::make_unique<Marks>(Printer));
    }
    legacy::PassManager::add(P);
  }
};

} // namespace

/// Writes the object of `module` to `*object` (free with `free`), with the host that is set. Tells whether that can be done.
extern "C" int twin_emit(LLVMTargetMachineRef machine, LLVMModuleRef module, char **object, uint64_t *size) {
  SmallVector<char, 0> Data;
  raw_svector_ostream Out(Data);
  Passes PM;
  if (reinterpret_cast<TargetMachine *>(machine)->addPassesToEmitFile(PM, Out, nullptr, CodeGenFileType::ObjectFile))
    return 1;
  PM.run(*unwrap(module));
  *object = static_cast<char *>(malloc(Data.size() + 1));
  memcpy(*object, Data.data(), Data.size());
  *size = Data.size();
  return 0;
}
