//! What the command line of twin-ld can say: the text of `--help`, and the options of other linkers.

/// The text of `--help`.
pub const HELP: &str = "\
Usage: twin-ld [options] file...

Links fat objects of twin-cc into one static executable for x86-64 and aarch64.

  -o FILE                    Name of the executable (a.out)
  -r, --relocatable          Make one object of all inputs; it takes no part in link-time optimisation
  -e SYMBOL, --entry=SYMBOL  Entry point (_start)
  -L DIR, -l NAME, -l:FILE   Directories and libraries
  --whole-archive, --no-whole-archive, --push-state, --pop-state
  --start-group, --end-group Accepted; archives are always searched as one group
  --start-lib, --end-lib     Objects between them are taken as members of an archive
  -u SYMBOL, --undefined=SYMBOL
                             Extract SYMBOL from an archive
  --require-defined=SYMBOL   The same; it is an error if nothing defines SYMBOL
  --unresolved-symbols=WHAT  Symbols that nothing defines: report-all, or ignore-all, as -z undefs; their address is 0
  --warn-unresolved-symbols  They are a warning
  --defsym=SYMBOL=VALUE      Define SYMBOL: a number or symbol, plus or minus a number
  --wrap=SYMBOL              References to SYMBOL go to __wrap_SYMBOL
  --gc-sections              Drop sections that nothing refers to
  --print-gc-sections        Say which
  --build-id[=KIND|0xHEX]    Note that identifies the build: a hash (sha1, the default; md5, fast, uuid) or none
  -s, --strip-all            No symbol table and debug information
  -S, --strip-debug          No debug information
  -x, --discard-all          No local symbols
  -Map=FILE, -M, --print-map Map of the executable
  -t, --trace                Names of the objects that take part
  -y SYMBOL, --trace-symbol=SYMBOL
                             Objects that define SYMBOL or refer to it
  --cref                     Objects that mention each symbol
  --dependency-file=FILE     Makefile rule with all inputs
  -z muldefs, --allow-multiple-definition
                             The first of several definitions wins
  -z stack-size=SIZE         Least size of the stacks of threads
  --lto-compiler=TWIN-CC     Optimise the objects made with -flto together
  --lto-OLEVEL               Level of that: 0 to 3, s or z (2)
  --fatal-warnings           Warnings are errors
  --sysroot=DIR              Replaces a leading = of a -L directory
  @FILE                      Options from FILE
  -v, --version, --help
";

/// Options of other linkers that change nothing here.
pub const IGNORED: &str = "\
    ( ) Bdynamic Bstatic Bsymbolic Bsymbolic-functions E EL N X as-needed call_shared check-sections \
    color-diagnostics d dc demangle discard-locals dn dp dy eh-frame-hdr enable-new-dtags \
    disable-new-dtags end-group discard-none export-dynamic g gdb-index n nmagic no-add-needed \
    no-allow-shlib-undefined no-as-needed no-check-sections no-color-diagnostics no-copy-dt-needed-entries \
    no-demangle no-dynamic-linker no-eh-frame-hdr no-export-dynamic no-print-gc-sections \
    no-ld-generated-unwind-info no-omagic no-pie no-relax no-rosegment no-threads \
    no-warn-mismatch no-warn-rwx-segments non_shared nostdlib omagic relax rosegment start-group \
    static stats threads verbose warn-common warn-once warn-rwx-segments no-keep-memory \
    reduce-memory-overheads sort-common no-gnu-unique no-execute-only \
    no-undefined-version undefined-version allow-shlib-undefined Bno-symbolic Bsymbolic-non-weak \
    Bsymbolic-non-weak-functions apply-dynamic-relocs no-apply-dynamic-relocs debug-names no-debug-names fortran-common \
    no-fortran-common gnu-unique dependent-libraries no-dependent-libraries mmap-output-file no-mmap-output-file \
    no-gdb-index no-nmagic print-icf-sections no-print-icf-sections optimize-bb-jumps no-optimize-bb-jumps \
    ignore-data-address-equality ignore-function-address-equality no-xosegment";

/// The same with a value.
pub const IGNORED_VALUES: &str = "\
    O a color-diagnostics compress-debug-sections dynamic-linker dynamic-list error-limit exclude-libs \
    export-dynamic-symbol fini h hash-style icf init m orphan-handling pack-dyn-relocs plugin rpath rpath-link \
    soname sort-common sort-section thinlto-cache-dir thinlto-jobs threads version-script auxiliary filter export-dynamic-symbol-list keep-unique";

/// Options that take a value and have meaning here, by their long and short names.
pub const VALUES: &str = "\
    o output e entry L library-path l library u undefined unresolved-symbols require-defined defsym wrap Map sysroot z y trace-symbol \
    dependency-file lto-compiler lto-O plugin-opt T script default-script dT image-base Ttext Tdata Tbss section-start";

/// Options whose value may be missing; it is never the next argument.
pub const OPTIONAL_VALUES: &str = "\
    build-id color-diagnostics sort-common threads";

/// Words behind `-z` that change nothing here. Words that end in `=` have a value.
pub const IGNORED_Z: &str = "\
    bti-report= cet-report= combreloc common-page-size= copyreloc dead-reloc-in-nonalloc= force-bti force-ibt \
    gcs gcs-report= gcs-report-dynamic= global hazardplt ibt ibtplt ifunc-noplt initfirst interpose \
    keep-text-section-prefix lazy max-page-size= nobti-report nocombreloc nocommon nocopyreloc nodefaultlib nodelete \
    nodlopen nodump nodynamic-undefined-weak noexecstack nognustack nokeep-text-section-prefix nomark-plt \
    nopack-relative-relocs norelro nosectionheader noseparate-code nostart-stop-gc notext now nounique-symbol origin \
    pac-plt pac-report= pack-relative-relocs rel rela relro retpolineplt rodynamic sectionheader separate-code \
    separate-loadable-segments shstk start-stop-gc start-stop-visibility= text unique-symbol zicfilp= zicfiss=";
