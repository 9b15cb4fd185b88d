# `cmake --install` puts the program on a PATH: the libraries that come from wheels go beside libgenvinci.so, which finds
# them by a relative rpath.
include(GNUInstallDirs)
set(private_libraries lib/genvinci)
install(TARGETS genvinci RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS genvinci_shared LIBRARY DESTINATION ${private_libraries})

get_filename_component(torch_lib ${TORCH_torch_cpu} DIRECTORY)
file(GLOB private_files ${torch_lib}/libtorch_cpu.so ${torch_lib}/libc10.so ${torch_lib}/libgomp* ${torch_lib}/libgfortran*
  ${GENVINCI_WHEELS}/nvidia/cu13/lib/libcudart.so.* ${GENVINCI_WHEELS}/nvidia/cu13/lib/libcupti.so.*
  ${GENVINCI_WHEELS}/pyarrow/libarrow.so.* ${GENVINCI_WHEELS}/pyarrow/libparquet.so.*)
install(FILES ${private_files} DESTINATION ${private_libraries})
