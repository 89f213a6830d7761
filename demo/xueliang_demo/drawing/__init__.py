"""Drawing of street scenes with numpy and OpenCV: camera, light, ground, buildings, vehicles, people."""
