# The CUDA build adds the toolkit's headers, which c10's CUDA headers include; CUDA's own libraries come with LibTorch
# (the wheel's nvidia-* packages, or an official archive), and are looked up when the program starts.
find_package(CUDAToolkit 13 REQUIRED)
target_include_directories(genvinci::torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
target_link_libraries(genvinci::torch INTERFACE CUDA::cudart)
target_compile_definitions(genvinci::torch INTERFACE GENVINCI_CUDA)
