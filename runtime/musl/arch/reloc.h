/* Programs are static: nothing is relocated at run time. */
#define LDSO_ARCH "twin"
