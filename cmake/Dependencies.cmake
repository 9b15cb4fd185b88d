# Every outside library, as a target. ARCHITECTURE.md says why each was chosen.
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(TIFF 4.5 REQUIRED)
find_package(Threads REQUIRED)

set(GENVINCI_WHEELS ${CMAKE_SOURCE_DIR}/.deps/wheels CACHE PATH "Unpacked wheels (scripts/setup.sh)")

find_package(HDF5 REQUIRED COMPONENTS C)
add_library(genvinci::hdf5 INTERFACE IMPORTED)
target_include_directories(genvinci::hdf5 INTERFACE ${HDF5_INCLUDE_DIRS})
target_link_libraries(genvinci::hdf5 INTERFACE ${HDF5_LIBRARIES})

find_library(DEFLATE_LIBRARY deflate REQUIRED)
add_library(genvinci::deflate INTERFACE IMPORTED)
target_link_libraries(genvinci::deflate INTERFACE ${DEFLATE_LIBRARY})

find_library(LZF_LIBRARY lzf REQUIRED)
add_library(genvinci::lzf INTERFACE IMPORTED)
target_link_libraries(genvinci::lzf INTERFACE ${LZF_LIBRARY})

# The Debian package's CMake file asks for all of OpenCV; three of its libraries are enough.
find_path(OPENCV_INCLUDE opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 REQUIRED)
add_library(genvinci::opencv INTERFACE IMPORTED)
target_include_directories(genvinci::opencv SYSTEM INTERFACE ${OPENCV_INCLUDE})
foreach(part core imgproc imgcodecs)
  find_library(OPENCV_${part} opencv_${part} REQUIRED)
  target_link_libraries(genvinci::opencv INTERFACE ${OPENCV_${part}})
endforeach()

find_path(OPENJPEG_INCLUDE openjpeg.h PATH_SUFFIXES openjpeg-2.5 REQUIRED)
find_library(OPENJPEG_LIBRARY openjp2 REQUIRED)
add_library(genvinci::openjpeg INTERFACE IMPORTED)
target_include_directories(genvinci::openjpeg SYSTEM INTERFACE ${OPENJPEG_INCLUDE})
target_link_libraries(genvinci::openjpeg INTERFACE ${OPENJPEG_LIBRARY})

find_path(ARROW_INCLUDE arrow/api.h HINTS ${GENVINCI_WHEELS}/pyarrow/include REQUIRED)
find_library(ARROW_LIBRARY arrow HINTS ${GENVINCI_WHEELS}/pyarrow REQUIRED)
find_library(PARQUET_LIBRARY parquet HINTS ${GENVINCI_WHEELS}/pyarrow REQUIRED)
add_library(genvinci::arrow INTERFACE IMPORTED)
target_include_directories(genvinci::arrow SYSTEM INTERFACE ${ARROW_INCLUDE})
target_link_libraries(genvinci::arrow INTERFACE ${PARQUET_LIBRARY} ${ARROW_LIBRARY})

find_file(PLOTLY_JS plotly.min.js PATHS ${GENVINCI_WHEELS}/plotly/package_data NO_DEFAULT_PATH)
if(NOT PLOTLY_JS)
  message(FATAL_ERROR "plotly.min.js not found in ${GENVINCI_WHEELS}/plotly/package_data: run scripts/setup.sh")
endif()

# LibTorch: one given by CMAKE_PREFIX_PATH comes first, then the wheel. The CPU build links torch_cpu and c10 alone,
# which starts faster than with the CUDA libraries.
find_path(TORCH_INCLUDE torch/headeronly/version.h PATHS ${GENVINCI_WHEELS}/torch/include)
if(NOT TORCH_INCLUDE)
  message(FATAL_ERROR "LibTorch not found: run scripts/setup.sh, or give its folder by CMAKE_PREFIX_PATH")
endif()
file(STRINGS ${TORCH_INCLUDE}/torch/headeronly/version.h torch_version REGEX "^#define TORCH_VERSION_(MAJOR|MINOR) ")
string(REGEX REPLACE "[^0-9;]" "" torch_version "${torch_version}")
list(JOIN torch_version "." GENVINCI_TORCH_VERSION)
if(NOT GENVINCI_TORCH_VERSION STREQUAL "2.15")
  message(FATAL_ERROR "LibTorch ${GENVINCI_TORCH_VERSION} in ${TORCH_INCLUDE}: genvinci needs 2.15")
endif()
add_library(genvinci::torch INTERFACE IMPORTED)
target_include_directories(genvinci::torch SYSTEM INTERFACE
  ${TORCH_INCLUDE} ${TORCH_INCLUDE}/torch/csrc/api/include)
set(torch_parts torch_cpu c10)
if(GENVINCI_CUDA)
  include(Cuda)
  list(APPEND torch_parts torch_cuda c10_cuda torch)
endif()
foreach(part ${torch_parts})
  find_library(TORCH_${part} ${part} HINTS ${TORCH_INCLUDE}/../lib REQUIRED)
  target_link_libraries(genvinci::torch INTERFACE ${TORCH_${part}})
  # The linker would drop libtorch_cuda, which is used through a registry only. One argument, since CMake merges equal ones.
  target_link_options(genvinci::torch INTERFACE -Wl,--push-state,--no-as-needed,${TORCH_${part}},--pop-state)
endforeach()
# torch_cpu of the wheel needs CUDA's run-time library, which lies in a wheel of its own.
if(EXISTS ${GENVINCI_WHEELS}/nvidia/cu13/lib)
  target_link_options(genvinci::torch INTERFACE -Wl,-rpath-link,${GENVINCI_WHEELS}/nvidia/cu13/lib
    -Wl,--allow-shlib-undefined)
endif()

# c10d's Gloo backend lies in torch_cpu; its header needs Gloo's.
find_path(GLOO_INCLUDE gloo/context.h REQUIRED)

if(GENVINCI_TESTS)
  find_package(GTest REQUIRED)
endif()
